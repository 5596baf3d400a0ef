"""Another user's rights for a while: file accesses of one thread, checked as that user's (setfsuid(2))."""

import contextlib
import ctypes
import os
from collections.abc import Iterator

Ids = tuple[int, int]
"""uid and gid."""

_libc = ctypes.PyDLL(None)  # setfsuid(2) is over before another thread could use the time


class NotPossible(OSError):
    """We cannot become that user."""


@contextlib.contextmanager
def as_user(uid: int, gid: int) -> Iterator[None]:
    """Have this thread's file accesses checked as those of uid:gid, without any capability of ours to override permissions. Without
    root, only our own uid is possible. Raises NotPossible."""
    if os.getuid() != 0:
        if uid != os.getuid():
            raise NotPossible(0, f"cannot become user id {uid}: Gatepost was not started by root")
        yield
        return
    _libc.setfsgid(gid)
    _libc.setfsuid(uid)
    try:
        # setfsuid(2) reports no errors: asking again with an impossible id tells what is in force.
        if _libc.setfsuid(-1) != uid or _libc.setfsgid(-1) != gid:
            raise NotPossible(0, f"cannot become user id {uid}")
        yield
    finally:
        _libc.setfsuid(0)
        _libc.setfsgid(0)
