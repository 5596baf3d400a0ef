"""Calls that may hang: nobody waits longer than the deadline, and one that hangs keeps its thread only."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from gatepost.lookup.blocking import BlockingCalls, Hangs

_SOON = 0.01  # seconds


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hangs, hangs until this is set."""
    event = threading.Event()
    yield event
    event.set()


def hanging(gate: threading.Event, answer: str = "late") -> Callable[[], str]:
    def call() -> str:
        assert gate.wait(30)
        return answer

    return call


def test_what_is_returned_and_what_is_raised() -> None:
    async def scenario() -> None:
        calls = BlockingCalls(2, 10.0)
        assert await calls.run("a", lambda: threading.current_thread().name) == "blocking call"
        with pytest.raises(ZeroDivisionError):
            await calls.run("b", lambda: 1 // 0)
        assert await calls.run("a", lambda: "again") == "again"

    asyncio.run(scenario())


def test_one_that_hangs_holds_up_no_other(gate: threading.Event) -> None:
    async def scenario() -> None:
        calls = BlockingCalls(2, _SOON)
        with pytest.raises(Hangs, match=r"no answer within 0\.01 seconds"):
            await calls.run("home", hanging(gate))
        calls.time_limit = 10.0
        assert await calls.run("other", lambda: "here") == "here"

    asyncio.run(scenario())


def test_when_all_hang_one_is_told_at_once_and_when_they_come_back_all_is_well(gate: threading.Event) -> None:
    async def scenario() -> None:
        calls = BlockingCalls(2, _SOON)
        for name in ("one", "two"):
            with pytest.raises(Hangs, match="within"):
                await calls.run(name, hanging(gate))
        with pytest.raises(Hangs, match="earlier questions"):
            await calls.run("three", lambda: "here")
        asked = asyncio.create_task(calls.run("one", lambda: "not asked again"))
        await asyncio.sleep(0)
        gate.set()
        assert await asked == "late"  # who asks the same, shares what is under way
        calls.time_limit = 10.0
        assert await calls.run("three", lambda: "here") == "here"

    asyncio.run(scenario())


def test_the_line_has_an_end(gate: threading.Event) -> None:
    async def scenario() -> None:
        calls = BlockingCalls(1, 10.0)
        waiting = [asyncio.create_task(calls.run(number, hanging(gate))) for number in range(1000)]
        await asyncio.sleep(0)
        with pytest.raises(Hangs):
            await calls.run("one more", lambda: "")
        gate.set()
        assert set(await asyncio.gather(*waiting)) == {"late"}
        assert calls._threads == 1
        assert not calls._pending
        assert not calls._begun

    asyncio.run(scenario())
