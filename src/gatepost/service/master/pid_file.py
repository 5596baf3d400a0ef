"""pid/master.pid: which process is the supervisor. The kernel says so, who knows the holder of the file's lock; the number in the
file is for people.

Two locks are held on it: one that belongs to the process (fcntl(2)), which no child inherits and whose holder can be asked for, and
one that Postfix's master(8) takes too (flock(2)), so that never both run on one queue.
"""

import errno
import fcntl
import os
import stat
import struct
from pathlib import Path

from gatepost.service.master.directories import PID, own_folder

_NAME = "master.pid"
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FLOCK = struct.Struct("hhqqi4x")  # struct flock of fcntl(2): type, whence, start, length, pid


class AlreadyRunning(Exception):
    """Another process holds the lock."""


def take(queue_directory: Path) -> int:
    """Write our pid into the file and lock it; the descriptor, which must stay open as long as this process, and in no other.
    Raises AlreadyRunning, UnsafeDirectory, OSError."""
    with own_folder(queue_directory, PID) as folder:
        descriptor = os.open(_NAME, os.O_RDWR | os.O_CREAT | _FLAGS, 0o644, dir_fd=folder)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or status.st_uid != os.geteuid():
            raise FileExistsError(errno.EEXIST, f"{queue_directory / PID / _NAME} is not a file of ours: remove it")
        _lock(descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid():>10}\n".encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise AlreadyRunning from None
        raise


def holder(queue_directory: Path) -> int | None:
    """pid of the supervisor that runs on this queue, None where none does. Raises OSError."""
    try:
        descriptor = os.open(queue_directory / PID / _NAME, os.O_RDONLY | _FLAGS)
    except FileNotFoundError:
        return None
    try:
        # Whoever may read the file can lock it against writers; only its owner can lock it against readers.
        asked = _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
        if kind == fcntl.F_UNLCK or pid <= 0:  # 0: in another container, and not to be reached from here
            return None
        return int(pid) if _may_name(os.fstat(descriptor).st_uid, pid) else None
    finally:
        os.close(descriptor)


def _may_name(owner: int, pid: int) -> bool:
    """Whether a pid file of user `owner` is to be believed: not where it would have us signal a process of others."""
    if owner in (0, os.geteuid()):
        return True
    try:
        return os.stat(f"/proc/{pid}").st_uid == owner
    except FileNotFoundError:
        return False  # it has just ended
