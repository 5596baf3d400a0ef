"""Contents of messages on disk: small ones as rows, large ones as files named by the message's key.

A file is complete and synced, and so is the directory that names it, before the transaction that mentions it commits; it is
removed after the transaction that no longer needs it has committed. So a crash leaves at most a file without a message,
which is removed when the partition is next opened.
"""

import os
import shutil
import stat
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from gatepost.mail.ascii_text import is_number
from gatepost.mail.content import Content, FileContent, MemoryContent

INLINE = 262_144
"""Octets up to which a content is a row in the database."""


class ContentFiles:
    """The content files of one partition directory; `directory` and `staging` are made where they are missing. `left`: told of a
    file that could not be removed, in any thread; it is tried again when the partition is next opened."""

    def __init__(self, directory: Path, staging: Path, left: Callable[[OSError], object]) -> None:
        self.directory = directory
        self.staging = staging
        self._left = left
        for path in (directory, staging):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.look()

    def look(self) -> None:
        """See which files there are: others may have put some in."""
        self._present = {int(name) for name in os.listdir(self.directory) if is_number(name)}

    def path(self, key: int) -> Path:
        return self.directory / str(key)

    def keep(self, key: int, content: Content) -> None:
        """Make `content` the durable file of message `key`: a staged file is moved, anything else copied. Raises OSError.
        A FileContent that was moved says so afterwards. Call `sync` before the commit."""
        target = self.path(key)
        if isinstance(content, FileContent) and content.path.parent == self.staging:
            _sync_file(content.path)
            content.path.rename(target)
            content.path = target
        else:
            _copy(content, target)
        self._present.add(key)

    def sync(self) -> None:
        """Make the names of kept files durable. Raises OSError."""
        descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def held_by(self, keys: Iterable[int]) -> list[int]:
        """Those of `keys` that have a file."""
        return [key for key in keys if key in self._present] if self._present else []

    def remove(self, keys: Iterable[int]) -> None:
        """Remove the files of these messages; those that are gone already do not matter."""
        for key in keys:
            self._present.discard(key)
            self._unlink(self.path(key))

    def drop(self, content: Content) -> None:
        """Remove a staged file that was not kept: its message is not stored, and nobody else has it."""
        if isinstance(content, FileContent) and content.path.parent == self.staging:
            self._unlink(content.path)

    def clear_staging(self) -> None:
        """Remove what an earlier worker staged and never committed."""
        for name in os.listdir(self.staging):
            self._unlink(self.staging / name)

    def _unlink(self, path: Path) -> None:
        """What has been committed stays so: a file too many is no failure."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self._left(error)

    def all(self) -> frozenset[int]:
        """Keys of all files present."""
        return frozenset(self._present)


def new_checksum(content: Content) -> int:
    """CRC-32 of the octets of a content that is to be stored: as they were meant, where whoever wrote its file has noted it. Raises
    OSError."""
    if isinstance(content, FileContent) and content.crc is not None:
        return content.crc
    return checksum(content)


def checksum(content: Content) -> int:
    """CRC-32 of the octets as they are. Raises OSError."""
    crc = 0
    for chunk in content.chunks():
        crc = zlib.crc32(chunk, crc)
    return crc


def is_whole(content: Content) -> bool:
    """Whether a file is one that was written here: a named pipe or a device would keep its reader for ever. Raises OSError."""
    if not isinstance(content, FileContent):
        return True
    status = os.lstat(content.path)
    return stat.S_ISREG(status.st_mode) and status.st_size == content.offset + content.size


def is_inline(content: Content) -> bool:
    """Whether `content` is stored as a row."""
    return content.size <= INLINE


def offset_of(content: Content, staging: Path) -> int:
    """Where the octets begin in the file that `keep` makes of `content`."""
    return content.offset if isinstance(content, FileContent) and content.path.parent == staging else 0


def in_memory(content: Content) -> int:
    """Octets of memory that `content` takes."""
    return content.size if isinstance(content, MemoryContent) else 0


def _sync_file(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _copy(content: Content, target: Path) -> None:
    with open(target, "wb") as file:
        if isinstance(content, FileContent):
            with open(content.path, "rb") as source:
                source.seek(content.offset)
                shutil.copyfileobj(source, file)
        else:
            file.writelines(content.chunks())
        file.flush()
        os.fsync(file.fileno())
