"""How far a long piece of work is, on the terminal of who waits for it; into a pipe or a file nothing of it is written."""

import os
import sys
import time
from typing import BinaryIO, Final

_PATIENCE: Final = 1.0
"""Seconds until anything is shown, and between two looks."""


class Progress:
    """Of reading a file. `program`: who reads it."""

    def __init__(self, program: str, file: BinaryIO) -> None:
        self._program = program
        self._file = file
        self._next = time.monotonic() + _PATIENCE
        self._shown = ""
        self._wanted = sys.stderr.isatty()

    def show(self) -> None:
        """Say how much has been read, if it is time to."""
        if not self._wanted or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _PATIENCE
        self._say(f"{self._program}: {self._read()}")

    def end(self) -> None:
        """All is read; what was shown says so."""
        if self._shown:
            self._say(f"{self._program}: all is read; writing the table")
            sys.stderr.write("\n")

    def _read(self) -> str:
        try:
            size = os.fstat(self._file.fileno()).st_size
            at = self._file.tell()
        except OSError:  # a pipe has neither
            return "reading"
        return f"{at >> 20} of {size >> 20} MB read" if size else "reading"

    def _say(self, text: str) -> None:
        sys.stderr.write(f"\r{text.ljust(len(self._shown))}")
        sys.stderr.flush()
        self._shown = text
