"""Who is next: owners take turns, none has more than a share, and waiting has its bounds."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.driven_loop import run
from tests.support.turns import turns

from gatepost.net.fair_slots import FairSlots
from gatepost.net.stream_port import Crowd, StreamFailure


def test_owners_take_turns() -> None:
    async def play() -> list[str]:
        slots, order = FairSlots(Crowd(1, 1, 100)), []

        async def use(owner: str) -> None:
            await slots.take(owner)
            order.append(owner)
            await asyncio.sleep(1)
            slots.give(owner)

        await asyncio.gather(*(use(owner) for owner in "aaaaabbc"))
        return order

    assert "".join(run(play())) == "aabcabaa"  # one had a slot when they all came


def test_the_owner_with_most_gives_way() -> None:
    async def play() -> tuple[int, int]:
        slots = FairSlots(Crowd(1, 1, 10))
        await slots.take("first")
        flood = [asyncio.create_task(slots.take("flood")) for _ in range(15)]
        await turns(at_most=5)
        refused = sum(task.done() and isinstance(task.exception(), StreamFailure) for task in flood)
        others = [asyncio.create_task(slots.take(owner)) for owner in "abcd"]
        await turns(at_most=5)
        assert not any(task.done() for task in others)
        displaced = sum(task.done() for task in flood) - refused
        for task in (*flood, *others):
            task.cancel()
        await asyncio.gather(*flood, *others, return_exceptions=True)
        return refused, displaced

    assert run(play()) == (5, 4)


@given(st.lists(st.tuples(st.sampled_from("abcx"), st.integers(0, 3)), max_size=40), st.integers(1, 4), st.integers(1, 3))
def test_whatever_comes_the_slots_are_kept(arrivals: list[tuple[str, int]], connections: int, share: int) -> None:
    """In use there are never more than there may be, of one owner no more than a share; who is cancelled loses none; in the end all
    are free."""
    share = min(share, connections)

    async def play() -> None:
        slots, held = FairSlots(Crowd(connections, share, 20)), Counter[str]()

        async def use(owner: str, seconds: int) -> None:
            await slots.take(owner)
            held[owner] += 1
            assert held.total() <= connections
            assert held[owner] <= share
            try:
                await asyncio.sleep(seconds)
            finally:
                held[owner] -= 1
                slots.give(owner)

        tasks = []
        for number, (owner, seconds) in enumerate(arrivals):
            tasks.append(asyncio.ensure_future(use(owner, seconds)))
            if number % 3 == 0:
                await asyncio.sleep(0)
            if owner == "x":
                tasks[number // 2].cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert outcome is None or isinstance(outcome, StreamFailure | asyncio.CancelledError)
        for _ in range(connections):
            assert slots.take_free()

    run(play())


def test_waiting_for_what_never_comes_can_be_given_up() -> None:
    async def play() -> None:
        slots = FairSlots(Crowd(1, 1, 1))
        await slots.take("a")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await slots.take("b")
        slots.give("a")
        assert slots.take_free("b")

    run(play())
