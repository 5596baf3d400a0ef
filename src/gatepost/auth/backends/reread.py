"""A file of users that is read again when it has changed, in a thread."""

import os
from collections.abc import Callable
from typing import Generic, TypeVar

from gatepost.auth.backends.hashing import Hashing

T = TypeVar("T")


def version(path: str) -> tuple[int, ...]:
    """What differs once a file has changed; empty where it cannot be seen."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class Reread(Generic[T]):
    """`read`: what the file says, in a thread of `hashing`; may raise. `first`: what it said before it was read."""

    def __init__(self, path: str, hashing: Hashing, read: Callable[[str], T], first: T) -> None:
        self._path = path
        self._hashing = hashing
        self._read = read
        self._said = first
        self._version: tuple[int, ...] = ()

    async def current(self) -> tuple[T, bool]:
        """What the file says now, and whether that is news. Raises Busy, and what `read` raises: then what was read before is of
        no use any more."""
        now = version(self._path)
        if now and now == self._version:
            return self._said, False
        self._version = ()
        said = await self._hashing.run(lambda: self._read(self._path))
        self._said, self._version = said, now
        return said, True
