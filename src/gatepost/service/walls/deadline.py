"""A process that the kernel kills after a time (timer_create(2)): it cannot put that off, once seccomp has taken the calls from it
that change a timer."""

import ctypes
import os
import signal
import time

_libc = ctypes.CDLL(None, use_errno=True)


class _Event(ctypes.Structure):
    """struct sigevent: what happens; SIGEV_SIGNAL is 0."""

    _fields_ = (("value", ctypes.c_void_p), ("number", ctypes.c_int), ("how", ctypes.c_int), ("rest", ctypes.c_char * 48))


class _When(ctypes.Structure):
    """struct itimerspec: again after how long, and when first, each in seconds and nanoseconds."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("again", "again_part", "first", "first_part"))


def kill_after(seconds: float) -> None:
    """Have this process killed (SIGKILL) in so many seconds, whether it works or sleeps. Raises OSError."""
    timer = ctypes.c_void_p()
    event = _Event(None, signal.SIGKILL, 0)
    _checked(_libc.timer_create(time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)))
    first, part = divmod(seconds, 1)
    _checked(_libc.timer_settime(timer, 0, ctypes.byref(_When(0, 0, int(first), int(part * 1e9))), None))


def _checked(result: int) -> None:
    if result:
        error = ctypes.get_errno()
        raise OSError(error, f"timer: {os.strerror(error)}")
