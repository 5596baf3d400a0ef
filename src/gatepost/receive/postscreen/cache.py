"""What clients have passed, kept in the shared state: the same for all workers, lasting over restarts."""

import asyncio
import contextlib
from typing import Final

from gatepost.receive.postscreen.results import Results, pack, unpack
from gatepost.state.port import Space, StateStore, StateUnavailable

SPACE: Final = Space("postscreen")
_PATIENCE: Final = 1.0
"""Seconds that a client waits for it at most."""


class ResultCache:
    """A Cache (port.py) over a state store. `retention`: seconds for which it is known that somebody once passed, after that has
    expired (postscreen_cache_retention_time). Failure: nothing is known of anybody, which the log of the store has."""

    def __init__(self, state: StateStore, retention: float) -> None:
        self._state = state
        self._retention = retention

    async def get(self, address: str) -> Results:
        try:
            entry = await self._state.get(SPACE, address.encode())
        except StateUnavailable:
            return {}
        return {} if entry is None else unpack(entry.value)

    async def put(self, address: str, results: Results) -> None:
        with contextlib.suppress(StateUnavailable, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._state.put(SPACE, address.encode(), pack(results), max(results.values()) + self._retention)
