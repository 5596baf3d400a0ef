"""Whose turn it is to write: a lock (fcntl(2)) that tells who holds it, and that the kernel takes from a process that ends.

A process that is stopped keeps it, and nobody could write any more. So whoever waits gives up after a while, and the supervisor
ends a holder that does not run (service/master/state_watch.py).
"""

import fcntl
import os
import stat
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gatepost.state.port import StateUnavailable

NAME: Final = "writer.lock"
_FLOCK: Final = struct.Struct("hhqqi4x")  # struct flock: type, whence, start, length, pid
_PAUSES: Final = (0.0002, 0.0005, 0.001, 0.002, 0.005)
"""Seconds between tries: whoever has it needs a millisecond as a rule. The last one again and again."""


class WriterLock:
    """The lock of the store in `folder`. One of it a process: the kernel does not tell two of them apart. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def take(self, patience: float, pause: Callable[[float], object] = time.sleep) -> None:
        """Wait for the turn, `patience` seconds at most. Raises StateUnavailable."""
        waited, number = 0.0, 0
        while not self._try():
            if waited >= patience:
                holder = self.holder()
                raise StateUnavailable(
                    f"process {holder} has been writing for {patience:g} s" if holder else "too many write at once"
                )
            wait = _PAUSES[min(number, len(_PAUSES) - 1)]
            pause(wait)
            waited, number = waited + wait, number + 1

    def give(self) -> None:
        """The turn is over."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1)

    def holder(self) -> int:
        """The process whose turn it is; 0 for none, or for ourselves."""
        return _holder(self._file)

    def close(self) -> None:
        os.close(self._file)

    def _try(self) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
        except BlockingIOError:
            return False
        return True


def holder_of(folder: Path) -> int:
    """The process that writes to the store in `folder` at the moment; 0 for none. For others than those who write: they would lose
    their turn. What lies there may be anybody's, so that it is only looked at."""
    try:
        file = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return 0
    try:
        return _holder(file) if stat.S_ISREG(os.fstat(file).st_mode) else 0
    finally:
        os.close(file)


def _holder(file: int) -> int:
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
    kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))
    return 0 if kind == fcntl.F_UNLCK else int(pid)
