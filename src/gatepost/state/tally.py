"""Counts by name that all workers share, exactly: in the memory of state/client_table.py, without anything of anvil's around it."""

import asyncio
from collections.abc import Callable
from typing import Final

from gatepost.state.client_table import ClientTable
from gatepost.state.port import Rate

_COLUMN: Final = Rate.AUTH
_PATIENCE: Final = (0.0, 0.0, 0.0, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5)
"""Seconds between attempts to lock a bucket, which nobody holds across anything that waits."""


class Tally:
    """`time_unit`: seconds from the first count of a name until it is forgotten; `clock`: seconds that all processes share.

    A table that is full forgets those first whose time unit began first. Where another process does not let go of its part of the
    table, nothing is counted, and every number is 0."""

    def __init__(self, table: ClientTable, time_unit: float, clock: Callable[[], float]) -> None:
        self._table = table
        self._unit = time_unit
        self._clock = clock

    async def number(self, name: str) -> int:
        """How many there are now."""
        return await self._of(name, self._table.known, self._table.number)

    async def count(self, name: str) -> int:
        """One more: how many there are with it."""
        return await self._of(name, self._table.slot, self._table.count)

    async def take_back(self, name: str) -> int:
        """One less, where there is one: how many are left."""
        return await self._of(name, self._table.known, self._table.take_back)

    async def _of(self, name: str, find: Callable[[bytes, int], int | None], ask: Callable[[int, Rate, float, float], int]) -> int:
        """What the table says of a name, in the slot that `find` has for it."""
        key, bucket = self._table.place(name)
        if not await self._lock(bucket):
            return 0
        try:
            slot = find(key, bucket)
            return 0 if slot is None else ask(slot, _COLUMN, self._clock(), self._unit)
        finally:
            self._table.unlock(bucket)

    async def _lock(self, bucket: int) -> bool:
        for pause in _PATIENCE:
            if self._table.lock(bucket):
                return True
            await asyncio.sleep(pause)
        return False
