"""Lines on their way to a sink: gathered, and written at once. Nobody waits for them, and nobody fails with them.

What a sink does not take (its reader has stalled, its disk is full, its daemon is away) waits within bounds, and is offered again.
Lines that find no room are lost and counted; the sink is told how many once it takes lines again.
"""

import select
import time
from collections.abc import Callable
from typing import Final

from gatepost.service.log_sinks import Sink

GATHERED_LIMIT: Final = 10_000
"""Lines that wait for a flush at most; more than that nobody flushes."""
ROOM: Final = 1 << 20
"""Octets that wait for a sink which takes none."""
LINGER: Final = 0.005
"""Seconds that lines wait for company."""
_PATIENT: Final = 0.2
"""Seconds at most until a sink that took nothing is asked again."""
_AGAIN: Final = 60.0
"""Seconds at least between two complaints about one sink."""

Later = Callable[[float, Callable[[], object]], object]
"""Has something called after some seconds: an event loop's `call_later`."""


class LogLines:
    """- `lost_line`: renders that so many lines were lost, and why, as a line for this sink.
    - `complain`: is told that lines wait, which the sink itself cannot say; once a minute at most.
    - `patience`: seconds that one flush may wait for the sink: of a tool, which ends afterwards and serves nobody.
    """

    def __init__(
        self,
        sink: Sink,
        lost_line: Callable[[int, str], str],
        complain: Callable[[str], object],
        patience: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sink = sink
        self._lost_line = lost_line
        self._complain = complain
        self._patience = patience
        self._clock = clock
        self._later: Later | None = None
        self._is_due = False
        self._pending: list[str] = []
        self._waiting = bytearray()
        self._lost = 0
        self._why = ""
        self._pause = LINGER
        self._complained = -_AGAIN

    def apart(self) -> "LogLines":
        """The same sink with a buffer of its own."""
        return LogLines(self.sink, self._lost_line, self._complain, self._patience, self._clock)

    def gather(self, later: Later) -> None:
        """Flush by itself from now on, a moment after a line was added."""
        self._later = later

    def add(self, line: str) -> None:
        """Keep a line, its end included, for the next flush."""
        self._pending.append(line)
        if not self._is_due:
            self._flush_after(LINGER)
        if len(self._pending) >= GATHERED_LIMIT:
            self.flush()

    def count_lost(self, lines: int) -> None:
        """So many lines were lost before they came here."""
        self._lost += lines

    def forget(self) -> None:
        """What waits is another process's to write, of which this one is a copy."""
        self._pending, self._waiting, self._lost = [], bytearray(), 0

    def flush(self) -> None:
        """Write what was gathered, as far as the sink takes it."""
        lines, self._pending = self._pending, []
        self._take_in(lines)
        deadline = self._clock() + self._patience if self._patience else 0.0
        while self._waiting and self._write() and deadline:
            left = deadline - self._clock()
            if left <= 0 or not _is_ready(self.sink, left):
                self._patience = 0.0  # once in vain is enough
                break

    @property
    def unwritten(self) -> int:
        """How many lines the sink has not taken so far."""
        return self._lost + self._waiting.count(b"\n")

    def _due(self) -> None:
        self._is_due = False
        self.flush()

    def _flush_after(self, seconds: float) -> None:
        if self._later is not None:
            self._is_due = True
            self._later(seconds, self._due)

    def _take_in(self, lines: list[str]) -> None:
        """Add lines to what waits, or to what is lost. After a loss there is room only once half of it is free: else a slow
        reader would read of nothing but losses."""
        if self._lost and len(self._waiting) <= ROOM // 2:
            self._waiting += self._lost_line(self._lost, self._why).encode("utf-8", "replace")
            self._lost = 0
        data = "".join(lines).encode("utf-8", "replace")
        if self._lost or (self._waiting and len(self._waiting) + len(data) > ROOM):
            self._lost += len(lines)
        else:
            self._waiting += data

    def _write(self) -> bool:
        """Offer what waits to the sink: whether some of it waits on, for a reason that may pass at once."""
        try:
            taken = self.sink.write(bytes(self._waiting))
        except OSError as error:
            self._refused(error)
            return isinstance(error, BlockingIOError)
        del self._waiting[:taken]
        self._pause = LINGER
        if self._waiting:
            self._wait_on()
        return bool(self._waiting)

    def _refused(self, error: OSError) -> None:
        self._why = "nobody reads it" if isinstance(error, BlockingIOError) else error.strerror or str(error)
        self._pause = min(self._pause * 2, _PATIENT)
        self._wait_on()
        now = self._clock()
        if now - self._complained >= _AGAIN:
            self._complained = now
            self._complain(f"log lines wait, and are lost if that lasts: {self.sink.name}: {self._why}")

    def _wait_on(self) -> None:
        if not self._is_due:
            self._flush_after(self._pause)


def _is_ready(sink: Sink, seconds: float) -> bool:
    """Whether the sink takes something again before so many seconds have passed."""
    poll = select.poll()
    poll.register(sink.fileno(), select.POLLOUT)
    return bool(poll.poll(seconds * 1000))
