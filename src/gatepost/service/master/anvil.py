"""anvil(8): the supervisor's part of it. The workers count by themselves, in memory that they share (state/client_table.py).

Here is who sits where in it; what the dead held is given up, and the peaks are logged every `anvil_status_update_time`.
"""

import time
from collections.abc import Callable

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.events.records import Emit, Note
from gatepost.state.anvil import LocalCounters
from gatepost.state.client_table import ClientTable
from gatepost.state.peaks import CACHE, Peaks, statistics
from gatepost.state.port import Counters
from gatepost.state.shared import SharedCounters

_GENERATIONS = 4  # of workers that may be there at a time: those before the last reloads let their sessions finish
_SPARE = 16  # seats for workers that a reload adds
_LONGEST_WAIT = 60.0  # seconds, should the clock go back


class AnvilSettings(Struct, frozen=True):
    """Times in seconds."""

    anvil_rate_time_unit: int
    anvil_status_update_time: int


class Anvil:
    """Made once, before the first fork, for `workers` of a generation. `clock`: seconds since 1970."""

    def __init__(self, workers: int, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        seats = workers * _GENERATIONS + _SPARE
        self._table, self._peaks = ClientTable(seats), Peaks()
        self._free = list(range(seats))
        self._taken: dict[int, int] = {}
        self._looked = self._told = clock()

    @property
    def seat(self) -> int | None:
        """Where the next worker sits; None where all seats are taken."""
        return self._free[0] if self._free else None

    def seated(self, pid: int) -> None:
        """A worker was forked, and took the seat."""
        if self._free:
            self._taken[pid] = self._free.pop(0)

    def ended(self, pid: int) -> None:
        """A child has ended: what it held is held no more."""
        if (seat := self._taken.pop(pid, None)) is not None:
            self._table.clear_seat(seat)
            self._free.append(seat)

    def counters(self, configuration: Configuration, emit: Emit) -> Counters:
        """In a worker just forked: the counters that all workers share; where there is no seat for it, some of its own."""
        unit = configuration.view(AnvilSettings).anvil_rate_time_unit
        if self.seat is None:
            emit(Note("anvil", "too many workers: one counts its clients by itself, until the workers before it end", "warning"))
            return LocalCounters(self._clock, unit)
        return SharedCounters(
            self._table,
            self._peaks,
            self.seat,
            clock=self._clock,
            time_unit=unit,
            warn=lambda text: emit(Note("anvil", text, "warning")),
        )

    def look(self, configuration: Configuration, emit: Emit) -> float:
        """What is due by now; returns in how many seconds to come again."""
        settings, now = configuration.view(AnvilSettings), self._clock()
        unit, update = settings.anvil_rate_time_unit, settings.anvil_status_update_time
        if now - self._looked >= min(unit, update):  # as often as clients are forgotten, so that everyone is seen
            self._looked = now
            self._peaks.see(CACHE, self._table.clients(now - unit), "", now)
        if now - self._told >= update:
            self._told = now
            for line in statistics(self._peaks.take(), unit):
                emit(Note("anvil", line))
        return min(max(min(self._looked + min(unit, update), self._told + update) - now, 0.0), _LONGEST_WAIT)
