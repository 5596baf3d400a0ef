"""Letting an event loop work until something is so, without sleeping for time."""

import asyncio
from collections.abc import Callable


async def turns(until: Callable[[], bool] = lambda: False, *, at_most: int = 1_000_000) -> None:
    """Return once `until` is true, or after so many turns of the loop."""
    for _ in range(at_most):
        if until():
            return
        await asyncio.sleep(0)
