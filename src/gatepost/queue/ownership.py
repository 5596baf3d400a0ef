"""Who has a partition: one owner, and guests, who have handed it over but for what they had in hand (flock(2) on two files in it).

An owner claims what waits, and heals the database. It becomes a guest in this order: the lock of guests, the status of what it
has in hand (Status.UNDER_WAY), the lock of the owner let go. So whoever becomes the owner after it finds either what was ACTIVE and
nobody's, or what is UNDER_WAY and a guest's; once no guest is left, what is UNDER_WAY is nobody's. The kernel frees the locks of a
process that ends, however it ends.

A partition with guests is no home: a guest gives out ids of it, and an owner that did as well could meet them.
"""

import fcntl
import os
from pathlib import Path

_OWNER = "lock"
_GUESTS = "guests"


def own(directory: Path) -> int | None:
    """Become the owner; returns the descriptor that holds the lock, None where there is an owner. Raises OSError."""
    return _lock(directory / _OWNER, fcntl.LOCK_EX)


def be_guest(directory: Path) -> int:
    """Become a guest, one of several perhaps; to be called as the owner. Returns the descriptor that holds the lock. Raises
    OSError."""
    descriptor = _lock(directory / _GUESTS, fcntl.LOCK_SH)
    if descriptor is None:
        raise BlockingIOError(f"{directory / _GUESTS} is locked")
    return descriptor


def has_guests(directory: Path) -> bool:
    """Whether there is a guest; to be asked as the owner. Raises OSError."""
    if not (directory / _GUESTS).exists():
        return False
    descriptor = _lock(directory / _GUESTS, fcntl.LOCK_EX)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def _lock(path: Path, how: int) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
