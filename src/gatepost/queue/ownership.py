"""Who has a partition: one owner, and guests, who have handed it over but for what they had in hand (flock(2) on files in it: one
of the owner, and one of each guest, whose number is in its name).

An owner claims what waits, and heals the database. It becomes a guest in this order: the lock of a guest, the status of what it
has in hand (Status.UNDER_WAY, with its number), the lock of the owner let go. So whoever becomes the owner after it finds either
what was ACTIVE and nobody's, or what is UNDER_WAY and a guest's; once that guest is gone, it is nobody's. The kernel frees the
locks of a process that ends, however it ends.

A partition with guests is no home: a guest gives out ids of it, and an owner that did as well could meet them.
"""

import fcntl
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from msgspec import Struct

from gatepost.mail.ascii_text import is_number

_OWNER = "lock"
_GUEST = "guest."


class Guest(Struct, frozen=True):
    """`number`: from 1, no other guest's of this partition. `descriptor`: holds its lock."""

    number: int
    descriptor: int


def own(directory: Path) -> int | None:
    """Become the owner; returns the descriptor that holds the lock, None where there is an owner. Raises OSError."""
    return _lock(directory / _OWNER)


def be_guest(directory: Path) -> Guest:
    """Become a guest, one of several perhaps; to be called as the owner. The number of one that is gone is not used again before
    `forget_all_but`. Raises OSError."""
    number = 1 + max(_numbers(directory), default=0)
    descriptor = _lock(directory / f"{_GUEST}{number}")
    if descriptor is None:
        raise BlockingIOError(f"{directory / _GUEST}{number} is locked")
    return Guest(number, descriptor)


def guests(directory: Path) -> frozenset[int]:
    """The numbers of the guests there are; to be asked as the owner. Raises OSError."""
    return frozenset(number for number in _numbers(directory) if _is_there(directory, number))


def forget_all_but(directory: Path, left: Collection[int]) -> None:
    """Let the numbers of guests that are gone be used again, once nothing goes by them; to be called as the owner. Raises
    OSError."""
    for number in _numbers(directory):
        if number not in left:
            (directory / f"{_GUEST}{number}").unlink()


def _numbers(directory: Path) -> Iterator[int]:
    """Of guests there are or were."""
    for name in os.listdir(directory):
        number = name.removeprefix(_GUEST)
        if name != number and is_number(number):
            yield int(number)


def _is_there(directory: Path, number: int) -> bool:
    descriptor = _lock(directory / f"{_GUEST}{number}")
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def _lock(path: Path) -> int | None:
    """The descriptor that holds the lock on a file; None where another one does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
