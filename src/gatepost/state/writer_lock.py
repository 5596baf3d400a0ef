"""Whose turn it is to write: a lock (fcntl(2)) that tells who holds it, and that the kernel takes from a process that ends.

A process that is stopped keeps it, and nobody could write any more. So whoever waits gives up after a while, and the supervisor
ends a holder that does not run (service/master/state_watch.py).
"""

import fcntl
import os
import stat
import struct
import threading
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
    """The lock of the store in `folder`, for all who have it open in this process (`writer_lock`)."""

    def __init__(self, folder: Path) -> None:
        self.users = 0
        self._folder = folder
        self._file = _opened(folder)
        self._turn = threading.Lock()
        """Among those of this process, whom the kernel does not tell apart."""

    def take(self, patience: float, pause: Callable[[float], object] = time.sleep) -> None:
        """Wait for the turn, `patience` seconds at most. Raises StateUnavailable, OSError."""
        if not self._turn.acquire(timeout=patience):
            raise StateUnavailable(f"this process has been writing for {patience:g} s")
        try:
            self._take_file(patience, pause)
        except BaseException:
            self._turn.release()
            raise

    def give(self) -> None:
        """The turn is over."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1)
        finally:
            self._turn.release()

    def holder(self) -> int:
        """The process whose turn it is; 0 for none, or for ourselves."""
        return _holder(self._file)

    def close(self) -> None:
        """One user less; the last one takes it away."""
        with _lock_of_open:
            self.users -= 1
            if not self.users:
                os.close(self._file)
                _open.pop(self._folder, None)

    def _take_file(self, patience: float, pause: Callable[[float], object]) -> None:
        if not os.fstat(self._file).st_nlink:  # somebody has removed it: others have another one
            new = _opened(self._folder)
            os.close(self._file)
            self._file = new
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

    def _try(self) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
        except BlockingIOError:
            return False
        return True


_open: Final[dict[Path, WriterLock]] = {}
"""Of this process, by folder: a second descriptor of the file would take the lock along when it is closed (fcntl(2))."""
_lock_of_open = threading.Lock()


def writer_lock(folder: Path) -> WriterLock:
    """The lock of the store in `folder`, to be closed by each who asked for it. The folder is made where there is none. Raises
    OSError."""
    with _lock_of_open:
        folder = Path(os.path.realpath(folder))
        lock = _open.get(folder)
        if lock is None:
            lock = _open[folder] = WriterLock(folder)
        lock.users += 1
        return lock


def _forget_in_child() -> None:
    """A child holds none of its parent's locks (fcntl(2)), and has none of the threads that would let them go."""
    global _lock_of_open
    _lock_of_open = threading.Lock()
    _open.clear()


os.register_at_fork(after_in_child=_forget_in_child)


def _opened(folder: Path) -> int:
    folder.mkdir(mode=0o700, exist_ok=True)
    return os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


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
