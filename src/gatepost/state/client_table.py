"""Clients and their counts in memory that all workers share, for anvil(8)'s work without an anvil process.

Fixed columns over one anonymous file: a digest of the client's name, the start of its time unit, what it did in it, and the
connections that it holds in each worker. Clients fall into buckets of a few slots; a bucket is locked by its octet of the file
(fcntl(2)), and the kernel frees the locks of a process however it ends.

- Bounded: a client that comes into a full bucket takes the slot whose time unit began first and which holds no connection.
- A column of connections (a seat) is written by the worker that sits there and by nobody else, so that leaving needs no lock,
  and all that a dead worker held goes by clearing its column.
- No lock is held across anything that waits.
"""

import fcntl
import hashlib
from typing import Final

from gatepost.state.memory import shared
from gatepost.state.port import Rate

_KEY: Final = 16  # octets of a digest; two clients with one digest are not to be expected
_WAYS: Final = 16  # slots in a bucket
RATES: Final = tuple(Rate)


class ClientTable:
    """The shared memory: some `buckets` * 16 * (44 + 2 * `seats`) octets, of which the kernel gives what is used. To be made before
    the fork of those who share it. `slot`, `count` and `held` want the bucket locked."""

    def __init__(self, seats: int, buckets: int = 2048) -> None:
        self.seats = seats
        self._buckets = buckets
        self._slots = slots = buckets * _WAYS
        widths = (_KEY, 8, 4 * len(RATES), 2 * seats)
        self._file, self._memory = shared("anvil", slots * sum(widths))
        ends = [slots * sum(widths[:column]) for column in range(len(widths) + 1)]
        view = memoryview(self._memory)
        self._starts = view[ends[1] : ends[2]].cast("d")
        self._counts = view[ends[2] : ends[3]].cast("I")
        self._held = view[ends[3] : ends[4]].cast("H")

    def place(self, client: str) -> tuple[bytes, int]:
        """The key of a client, and its bucket."""
        key = hashlib.blake2b(client.encode(), digest_size=_KEY, usedforsecurity=False).digest()
        return key, int.from_bytes(key[:4], "little") % self._buckets

    def lock(self, bucket: int) -> bool:
        """Lock a bucket; False where another process has it at the moment."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, bucket)
        except OSError:
            return False
        return True

    def unlock(self, bucket: int) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, bucket)

    def slot(self, key: bytes, bucket: int) -> int | None:
        """The client's slot, which may be another one's up to now; None where all of the bucket hold connections."""
        if (own := self.known(key, bucket)) is not None:
            return own
        first = bucket * _WAYS
        for slot in sorted(range(first, first + _WAYS), key=self._starts.__getitem__):
            if not self.held(slot):
                self._memory[slot * _KEY : (slot + 1) * _KEY] = key
                self._starts[slot] = 0.0
                return slot
        return None

    def known(self, key: bytes, bucket: int) -> int | None:
        """The slot of a client that has one."""
        first = bucket * _WAYS
        at = self._memory.find(key, first * _KEY, (first + _WAYS) * _KEY)
        return at // _KEY if at >= 0 and at % _KEY == 0 else None

    def number(self, slot: int, rate: Rate, now: float, time_unit: float) -> int:
        """How many of a rate there are in this time unit."""
        current = 0.0 <= now - self._starts[slot] < time_unit
        return self._counts[slot * len(RATES) + _COLUMN[rate]] if current else 0

    def take_back(self, slot: int, rate: Rate, now: float, time_unit: float) -> int:
        """One less of a rate, if there is one in this time unit: how many are left."""
        number = self.number(slot, rate, now, time_unit)
        if number:
            self._counts[slot * len(RATES) + _COLUMN[rate]] = number = number - 1
        return number

    def count(self, slot: int, rate: Rate, now: float, time_unit: float) -> int:
        """One more of a rate: how many in this time unit, which begins anew once its start lies `time_unit` seconds back."""
        first = slot * len(RATES)
        if not 0.0 <= now - self._starts[slot] < time_unit:
            self._starts[slot] = now
            self._counts[first : first + len(RATES)] = _NOTHING
        at = first + _COLUMN[rate]
        self._counts[at] = number = self._counts[at] + 1
        return number

    def held(self, slot: int) -> int:
        """Connections of a client, in all workers."""
        return sum(self._held[slot :: self._slots])

    def hold(self, slot: int, seat: int, number: int) -> None:
        """Connections of a client in the worker that sits there; needs no lock where it is less than before."""
        self._held[seat * self._slots + slot] = min(number, 0xFFFF)

    def clear_seat(self, seat: int) -> None:
        """Whoever sat there has ended, and with it all that it held."""
        self._held[seat * self._slots : (seat + 1) * self._slots] = memoryview(bytes(2 * self._slots)).cast("H")

    def clients(self, since: float) -> int:
        """How many clients are known: their time unit began after `since`, or they hold connections."""
        return sum(start > since or (start > 0.0 and self.held(slot) > 0) for slot, start in enumerate(self._starts.tolist()))


_COLUMN: Final = {rate: column for column, rate in enumerate(RATES)}
_NOTHING: Final = memoryview(bytes(4 * len(RATES))).cast("I")
