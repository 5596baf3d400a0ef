"""How far one message is looked into: what is spent, and why there is no more."""

from collections.abc import Callable
from typing import Final

from gatepost.filter.archives.port import ArchiveLimits, Unchecked

_FREE: Final = 100_000
"""Octets that every message may unpack to, however small it is."""


class Budget:
    """`size`: octets of the message; `clock`: seconds of processor time. `over`: nothing more may be looked at."""

    def __init__(self, limits: ArchiveLimits, size: int, clock: Callable[[], float]) -> None:
        self.over = False
        self.reasons: dict[Unchecked, None] = {}
        self._members = limits.members
        self._octets = limits.octets
        self._by_ratio = max(_FREE, limits.ratio * size)
        self._depth = limits.depth
        self._clock = clock
        self._until = clock() + limits.seconds
        self._spent = self._declared = 0

    def note(self, reason: Unchecked) -> None:
        """Something in the message is not known."""
        self.reasons[reason] = None

    def deeper(self, depth: int) -> bool:
        """Whether an archive at this depth may be opened."""
        if depth >= self._depth:
            self.note(Unchecked.DEPTH)
        return depth < self._depth

    def member(self) -> bool:
        """Whether there may be one more file."""
        self._members -= 1
        if self._members < 0:
            self._end(Unchecked.MEMBERS)
        self.spend(0)
        return not self.over

    def declare(self, octets: int) -> None:
        """An archive says that a file in it is so large. It need not be true, and need not be unpacked to be told of."""
        self._declared += max(octets, 0)
        self._measure(self._declared)

    def spend(self, octets: int) -> None:
        """So many octets have been unpacked."""
        self._spent += octets
        if self._measure(self._spent):
            self.over = True
        if self._clock() > self._until:
            self._end(Unchecked.TIME)

    def _measure(self, octets: int) -> bool:
        if octets > self._octets:
            self.note(Unchecked.OCTETS)
        elif octets > self._by_ratio:
            self.note(Unchecked.RATIO)
        return octets > min(self._octets, self._by_ratio)

    def _end(self, reason: Unchecked) -> None:
        self.note(reason)
        self.over = True
