"""Work in the background outlives what breaks it, and does not spin."""

import asyncio

import pytest

from gatepost.service import background


def test_it_begins_anew_after_a_pause_until_it_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    naps: list[float] = []
    tries = iter((KeyError("one"), ValueError("two"), None))

    async def work() -> None:
        if (fault := next(tries)) is not None:
            raise fault

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    monkeypatch.setattr(background.asyncio, "sleep", nap)
    asyncio.run(background.lasting(work, "the work", lambda fault, consequence: told.append(f"{fault!r}: {consequence}")))
    assert told == ["KeyError('one'): the work begins anew", "ValueError('two'): the work begins anew"]
    assert naps == [background.PAUSE] * 2


def test_it_ends_when_it_is_cancelled() -> None:
    async def scenario() -> None:
        task = asyncio.create_task(background.lasting(asyncio.Event().wait, "the work", print))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
