"""Lines on their way to a file or a pipe: gathered, and written at once. Nobody waits for them, and nobody fails with them."""

import contextlib
import os
import sys
from collections.abc import Callable

GATHERED_LIMIT = 10_000
"""Lines that wait for a flush at most; more than that nobody flushes."""


class LogLines:
    """`file`: what it is called where lines are lost. `on_first` is called when a line is added to an empty buffer."""

    def __init__(self, descriptor: int, file: str, on_first: Callable[[], object] | None = None) -> None:
        self.descriptor = descriptor
        self.file = file
        self.on_first = on_first
        self._pending: list[str] = []
        self._cut = b""

    def apart(self) -> "LogLines":
        """The same file with a buffer of its own."""
        return LogLines(self.descriptor, self.file)

    def add(self, line: str) -> None:
        """Keep a line, its end included, for the next flush."""
        self._pending.append(line)
        if len(self._pending) == 1:
            if self.on_first:
                self.on_first()
        elif len(self._pending) >= GATHERED_LIMIT:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered. A full disk or a pipe that nobody reads must not stop mail: the lines are lost, and said so on
        stderr. One that was cut is ended first of all, so that those after it are whole."""
        if not self._pending:
            return
        lines, self._pending = self._pending, []
        data = self._cut + "".join(lines).encode("utf-8", "replace")
        try:
            written = os.write(self.descriptor, data)
        except OSError as error:
            self._say_lost(len(lines), error.strerror)
            return
        self._cut = b""
        if written < len(data):
            end = data.find(b"\n", max(written - 1, 0)) + 1
            self._cut = data[written:end]
            self._say_lost(data.count(b"\n", end), "only a part was written")

    def _say_lost(self, lines: int, why: str | None) -> None:
        with contextlib.suppress(OSError, ValueError):  # stderr may be the file that is full, or closed
            sys.stderr.write(f"gatepost: warning: {lines} log lines lost: {self.file}: {why}\n")

    def close(self) -> None:
        """Close the file, unless it is one of the process's own three."""
        if self.descriptor > 2:
            os.close(self.descriptor)
