"""A content that is being made: in memory, and once it is long in a file without a name, which is gone with whoever reads it."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from gatepost.mail.content import CHUNK, Content, FileContent, MemoryContent

LARGE: Final = 16 * CHUNK
"""Octets that are kept in memory."""


class Aside:
    """Takes octets, gives the content that they make up. `staging`: a path in the folder where long contents are put aside."""

    def __init__(self, staging: Callable[[], Path]) -> None:
        self._staging = staging
        self._memory: list[bytes] = []
        self._file: IO[bytes] | None = None
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Take the next octets. Raises OSError."""
        self.size += len(piece)
        if self._file is not None:
            self._file.write(piece)
            return
        self._memory.append(piece)
        if self.size > LARGE:
            self._file = tempfile.TemporaryFile(dir=self._staging().parent)  # noqa: SIM115 (the content keeps it open)
            self._file.writelines(self._memory)
            self._memory.clear()

    def content(self) -> Content:
        """What was written. Raises OSError."""
        if self._file is None:
            return MemoryContent(b"".join(self._memory))
        self._file.flush()
        return UnnamedContent(self._file)


class UnnamedContent(FileContent):
    """A content in an open file that has no name."""

    __slots__ = ("_file",)

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(Path(f"/proc/self/fd/{file.fileno()}"), file.tell())
        self._file = file
