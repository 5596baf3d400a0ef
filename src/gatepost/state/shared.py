"""Client counts and rates of all workers together: a worker's view of the table that they share."""

import asyncio
from collections.abc import Callable
from typing import Final

from gatepost.state.client_table import ClientTable
from gatepost.state.peaks import CONNECTIONS, Peaks
from gatepost.state.port import Rate

_PATIENCE: Final = (0.0005, 0.002, 0.01, 0.04)
"""Seconds between tries to lock: whoever has the lock needs microseconds, unless it was stopped."""


class SharedCounters:
    """Counters (state.port) over shared memory, for the worker on one `seat` of it.

    `clock`: seconds since 1970; `time_unit`: seconds (`anvil_rate_time_unit`). Failure action: what cannot be counted, because the
    bucket is full of clients with connections or its lock does not come, counts as nothing, with a warning once a time unit."""

    def __init__(
        self,
        table: ClientTable,
        peaks: Peaks,
        seat: int,
        *,
        clock: Callable[[], float],
        time_unit: float,
        warn: Callable[[str], None],
    ) -> None:
        self._table = table
        self._peaks = peaks
        self._seat = seat
        self._clock = clock
        self._unit = time_unit
        self._warn = warn
        self._warned = 0.0
        self._held: dict[str, tuple[int, int]] = {}
        """Our own connections of each client: its slot, which nobody can take while they last, and their number."""
        self._uncounted: dict[str, int] = {}
        """How many more of its connections there are, which will end without having been counted."""
        self._tallies: dict[str, int] = {}
        """The slot of each service of which we have clients, which nobody can take while we do."""

    async def connect(self, service: str, client: str) -> tuple[int, int]:
        ident = f"{service}:{client}"
        locked = await self._lock(ident)
        if locked is None:
            self._uncounted[ident] = self._uncounted.get(ident, 0) + 1
            return 0, 0
        slot, bucket = locked
        now = self._clock()
        try:
            own = self._held.get(ident, (slot, 0))[1] + 1
            self._held[ident] = slot, own
            self._table.hold(slot, self._seat, own)
            held = self._table.held(slot)
            rate = self._table.count(slot, Rate.CONNECTION, now, self._unit)
        finally:
            self._table.unlock(bucket)
        self._peaks.see(CONNECTIONS, held, ident, now)
        self._peaks.see(Rate.CONNECTION, rate, ident, now)
        return held, rate

    def disconnect(self, service: str, client: str) -> None:
        ident = f"{service}:{client}"
        if uncounted := self._uncounted.pop(ident, 0):
            if uncounted > 1:
                self._uncounted[ident] = uncounted - 1
            return
        slot, own = self._held.pop(ident, (-1, 0))
        if own > 1:
            self._held[ident] = slot, own - 1
        if own:
            self._table.hold(slot, self._seat, own - 1)

    async def count(self, rate: Rate, service: str, client: str) -> int:
        ident = f"{service}:{client}"
        locked = await self._lock(ident)
        if locked is None:
            return 0
        slot, bucket = locked
        now = self._clock()
        try:
            number = self._table.count(slot, rate, now, self._unit)
        finally:
            self._table.unlock(bucket)
        self._peaks.see(rate, number, ident, now)
        return number

    def tally(self, service: str, own: int) -> int:
        """Locks only when the first comes: a slot with clients is nobody else's."""
        slot = self._tallies.get(service)
        if slot is None:
            slot = self._tally_slot(service, own) if own else None
            if slot is None:
                return own
            self._tallies[service] = slot
        self._table.hold(slot, self._seat, own)
        if not own:
            del self._tallies[service]
        return self._table.held(slot)

    def _tally_slot(self, service: str, own: int) -> int | None:
        """Where to count, held already; None where it is locked just now, or there is no room."""
        key, bucket = self._table.place(service)
        if not self._table.lock(bucket):
            return None
        try:
            slot = self._table.slot(key, bucket)
            if slot is not None:
                self._table.hold(slot, self._seat, own)
            return slot
        finally:
            self._table.unlock(bucket)

    async def _lock(self, ident: str) -> tuple[int, int] | None:
        """The client's slot and its bucket, which is locked then; None where that cannot be."""
        key, bucket = self._table.place(ident)
        for pause in _PATIENCE:
            if self._table.lock(bucket):
                break
            await asyncio.sleep(pause)
        else:
            self._tell_uncounted(ident, "another worker does not let go of their table")
            return None
        slot = self._table.slot(key, bucket)
        if slot is None:
            self._table.unlock(bucket)
            self._tell_uncounted(ident, "there are too many clients with connections")
            return None
        return slot, bucket

    def _tell_uncounted(self, ident: str, why: str) -> None:
        now = self._clock()
        if not 0.0 <= now - self._warned < self._unit:
            self._warned = now
            self._warn(f"connections and rates of ({ident}) are not counted, nor limited: {why}")
