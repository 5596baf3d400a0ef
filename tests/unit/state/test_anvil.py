"""Client counts and rates."""

import asyncio

from gatepost.state.anvil import LocalCounters
from gatepost.state.port import Rate


def test_counts_and_rates() -> None:
    now = 0.0
    counters = LocalCounters(lambda: now, 60.0)

    async def play() -> None:
        nonlocal now
        assert await counters.connect("smtp", "a") == (1, 1)
        assert await counters.connect("smtp", "a") == (2, 2)
        assert await counters.connect("smtp", "b") == (1, 1)
        counters.disconnect("smtp", "a")
        assert await counters.connect("smtp", "a") == (2, 3)
        assert await counters.count(Rate.MESSAGE, "smtp", "a") == 1
        now = 60.0
        assert await counters.connect("smtp", "a") == (3, 1)

    asyncio.run(play())


def test_memory_follows_todays_clients() -> None:
    now = 0.0
    counters = LocalCounters(lambda: now, 60.0)

    async def play() -> None:
        nonlocal now
        for number in range(1000):
            await counters.count(Rate.MESSAGE, "smtp", str(number))
        now = 61.0
        await counters.count(Rate.MESSAGE, "smtp", "x")

    asyncio.run(play())
    assert len(counters._rates) == 1
