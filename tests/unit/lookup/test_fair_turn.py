"""Turns at something that one at a time may have: nobody waits behind all that another client asks for."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.lookup.fair_turn import FairTurn


def order(clients: list[str], leaving: frozenset[int] = frozenset()) -> list[str]:
    """Who goes on after whom, when all of them wait. `leaving`: numbers of those who give up before it is their turn."""
    gone_on: list[str] = []

    async def wait(turn: FairTurn, who: str) -> None:
        await turn.acquire(who, 60.0)
        gone_on.append(who)
        await asyncio.sleep(0)
        turn.release()

    async def scene() -> None:
        turn = FairTurn()
        await turn.acquire("first", 60.0)
        tasks = [asyncio.ensure_future(wait(turn, who)) for who in clients]
        await asyncio.sleep(0)
        for number in leaving:
            tasks[number].cancel()
        await asyncio.sleep(0)
        turn.release()
        await asyncio.gather(*tasks, return_exceptions=True)
        await turn.acquire("last", 60.0)  # nobody holds it any more

    asyncio.run(scene())
    return gone_on


def test_a_stranger_waits_for_one_only() -> None:
    assert order(["a", "a", "a", "a", "b"]) == ["a", "b", "a", "a", "a"]


@given(st.lists(st.sampled_from("abc"), max_size=12), st.frozensets(st.integers(0, 11)))
def test_everybody_goes_on_once_and_in_turn(clients: list[str], leaving: frozenset[int]) -> None:
    leaving = frozenset(number for number in leaving if number < len(clients))
    staying = [who for number, who in enumerate(clients) if number not in leaving]
    gone_on = order(clients, leaving)
    assert sorted(gone_on) == sorted(staying)
    rounds = len(set(staying))
    assert len(set(gone_on[:rounds])) == rounds


def test_who_has_waited_too_long_is_told() -> None:
    async def scene() -> None:
        turn = FairTurn()
        await turn.acquire("a", 60.0)
        with pytest.raises(TimeoutError):
            await turn.acquire("b", 0.001)
        turn.release()
        await turn.acquire("b", 60.0)

    asyncio.run(scene())
