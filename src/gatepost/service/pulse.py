"""The pulse of a process's event loop: what holds the loop is told.

The loop beats twice a second: it writes the time into memory that the supervisor shares. Should the next beat be a second
late, an alarm (setitimer(2)) interrupts it, and faulthandler writes down where it is: in the signal handler, which needs no
interpreter lock, so that a regular expression or a table that keeps that lock is found as well. The process tells of it when it
goes on; the supervisor (master/watchdog.py), where it does not. It has to be that thread itself: another one would follow frames
that come and go meanwhile, into memory that is none any more.
"""

import asyncio
import faulthandler
import mmap
import os
import re
import signal
import struct
import time
from collections.abc import Callable

from gatepost.events.records import Emit, Note

BEAT = 0.5
"""Seconds between two beats."""
LATE = 1.0
"""Seconds that a beat may be late before it is told of."""

_TIME = struct.Struct("d")
_LONGEST_TRACE = 65536  # octets
_HEAD = "Stack (most recent call first):\n"
_FRAMES = 8  # innermost ones that are told
_FRAME = re.compile(r'  File "(?:[^"]*/)?([^"/]*)", line (\d+) in ([^\n]*)')


class Pulse:
    """What one worker and the supervisor share: when its loop turned last, and where it was when it did not. To be made before the
    fork."""

    def __init__(self) -> None:
        self._time = mmap.mmap(-1, _TIME.size)
        self._trace = os.memfd_create("gatepost-trace", os.MFD_CLOEXEC)

    def beat(self, now: float) -> None:
        """The loop turns at `now` (monotonic clock, seconds); 0: it is not to be watched, now or any more. From the main thread."""
        _TIME.pack_into(self._time, 0, now)
        if now:
            faulthandler.register(signal.SIGALRM, file=self._trace, all_threads=False)
            signal.setitimer(signal.ITIMER_REAL, BEAT + LATE)
        else:
            signal.setitimer(signal.ITIMER_REAL, 0)
            faulthandler.unregister(signal.SIGALRM)

    def last(self) -> float:
        """When the loop turned last; 0 where it is not watched."""
        when: float = _TIME.unpack_from(self._time)[0]
        return when

    def place(self) -> str:
        """Where the main thread was when a beat was late."""
        return place(os.pread(self._trace, _LONGEST_TRACE, 0).decode("utf-8", "replace"))

    def forget_place(self) -> None:
        os.ftruncate(self._trace, 0)
        os.lseek(self._trace, 0, os.SEEK_SET)

    def close(self) -> None:
        self._time.close()
        os.close(self._trace)


def place(trace: str) -> str:
    """Where a thread is by faulthandler's latest words, innermost call first. Whoever wrote them may be anybody: no line ends."""
    frames = _FRAME.findall(trace.rpartition(_HEAD)[2])[:_FRAMES]
    told = " < ".join(f"{file}:{line} {function}" for file, line, function in frames)
    return "".join(one if one.isprintable() else "?" for one in told) or "a place unknown"


class Heart:
    """The worker's side. `cpu`: seconds of processor time that this thread has used."""

    def __init__(
        self,
        pulse: Pulse,
        emit: Emit,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._pulse = pulse
        self._emit = emit
        self._clock = clock
        self._cpu = cpu
        self._before = (0.0, 0.0)
        self._next: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Beat in `loop` from now on."""
        self._before = self._clock(), self._cpu()
        self._go_on(loop)

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        self._pulse.beat(self.look())
        self._next = loop.call_later(BEAT, self._go_on, loop)

    def look(self) -> float:
        """Tell if this beat is late; the time."""
        then, cpu = self._before
        now, used = self._before = self._clock(), self._cpu()
        late = now - then - BEAT
        if late > LATE:
            told = f"the event loop was held for {late:.1f} s ({used - cpu:.1f} s of processor time) at {self._pulse.place()}"
            self._emit(Note("worker", told, "warning"))
            self._pulse.forget_place()
        return now

    def stop(self) -> None:
        """The loop is about to end."""
        if self._next is not None:
            self._next.cancel()
        self._pulse.beat(0.0)
