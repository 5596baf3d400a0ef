"""The store of the quarantine: a folder of files, one a message, that nobody but the mail system can read.

A file is one line of JSON (`Entry`) and the message in wire form, as in the maildrop. It is whole and on stable storage when it has
its name, which begins with the time, so that names sort by it. Limits hold for all who store here, which look at the folder anew
now and then: what is too old goes, and where there is too much, nothing more is taken.
"""

import asyncio
import contextlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct

from gatepost.filter.quarantine.port import Entry, QuarantineFailure
from gatepost.mail import as_json
from gatepost.mail.content import FileContent

FOLDER: Final = "quarantine"
"""Below data_directory."""

_NAME: Final = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{12}")
_LONGEST_ENTRY: Final = 1 << 24
_LOOK: Final = 30.0
"""Seconds after which the folder is looked at anew."""
_LOOK_WHEN_FULL: Final = 5.0
"""The same where there is no room: a folder of a million files costs seconds, and who has filled it sends on."""
_LEAST: Final = 4096
"""Octets that a file takes, and more by so many."""
_BLOCK: Final = 512  # st_blocks are counted in these (stat(2))


class QuarantineSettings(Struct, frozen=True):
    """filter_quarantine_size_limit: octets, with what the file system needs for them. filter_quarantine_time: seconds."""

    data_directory: str
    filter_quarantine_size_limit: int
    filter_quarantine_time: int


class NoSuchMessage(Exception):
    """There is no message of this name, or it cannot be read; the text says which and why."""


class Kept(Struct, frozen=True):
    """A message in the quarantine. `content`: to be read while it is there."""

    name: str
    entry: Entry
    content: FileContent


class QuarantineFolder:
    """The folder, for whoever looks after it. It is made when something is to be kept."""

    def __init__(self, data_directory: Path) -> None:
        self._path = data_directory / FOLDER

    def write(self, entry: Entry, content: Iterable[bytes]) -> str:
        """Keep a message; its name, once it is on stable storage. Raises OSError, and what `content` raises."""
        self._path.mkdir(mode=0o700, exist_ok=True)
        name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(entry.time))}-{secrets.token_hex(6)}"
        folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _write(folder, name, entry, content)
        finally:
            os.close(folder)
        return name

    def names(self) -> list[str]:
        """Of all messages, the oldest first. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(name for name in os.listdir(self._path) if _NAME.fullmatch(name))
        return []

    def read(self, name: str) -> Kept:
        """A message. Raises NoSuchMessage."""
        path = self._known(name)
        try:
            with open(path, "rb") as file:
                line = file.readline(_LONGEST_ENTRY)
                size = os.fstat(file.fileno()).st_size - len(line)
            return Kept(name, as_json.read(line, Entry), FileContent(path, size, len(line)))
        except FileNotFoundError:
            raise NoSuchMessage(f"{name}: no such message") from None
        except (OSError, ValueError) as error:
            raise NoSuchMessage(f"{name}: cannot be read: {error}") from None

    def delete(self, name: str) -> None:
        """Forget a message. Raises NoSuchMessage, OSError."""
        try:
            self._known(name).unlink()
        except FileNotFoundError:
            raise NoSuchMessage(f"{name}: no such message") from None

    def sweep(self, before: float) -> int:
        """Forget what was kept `before` (seconds since 1970), and what was never finished; octets that are left. Raises OSError."""
        total = 0
        with contextlib.suppress(FileNotFoundError), os.scandir(self._path) as files:
            for file in files:
                with contextlib.suppress(FileNotFoundError):
                    status = file.stat(follow_symlinks=False)
                    if status.st_mtime < before:
                        os.unlink(file.path)
                    else:
                        total += status.st_blocks * _BLOCK
        return total

    def _known(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise NoSuchMessage(f"{name}: no name of a message in the quarantine")
        return self._path / name


class QuarantineStore:
    """The Quarantine of a worker. `clock`: seconds since 1970."""

    def __init__(self, settings: QuarantineSettings, clock: Callable[[], float] = time.time) -> None:
        self._folder = QuarantineFolder(Path(settings.data_directory))
        self._limit = settings.filter_quarantine_size_limit
        self._lifetime = settings.filter_quarantine_time
        self._clock = clock
        self._looked = -_LOOK
        self._total = 0

    async def store(self, entry: Entry, content: Iterable[bytes]) -> str:
        """As the port has it; files are written in a thread."""
        try:
            return await asyncio.to_thread(self._store, entry, content)
        except OSError as error:
            raise QuarantineFailure(f"the quarantine cannot be written: {error.strerror or error}") from error

    def _store(self, entry: Entry, content: Iterable[bytes]) -> str:
        now = self._clock()
        needed = (entry.size // _LEAST + 1) * _LEAST
        is_full = self._total + needed > self._limit
        if abs(now - self._looked) >= (_LOOK_WHEN_FULL if is_full else _LOOK):
            self._looked = now  # first: others need not look, too, meanwhile
            self._total = self._folder.sweep(now - self._lifetime)
        if self._total + needed > self._limit:
            raise QuarantineFailure(
                f"the quarantine is full ({self._total} octets): raise filter_quarantine_size_limit, or delete some of it with"
                " `gatepost quarantine delete`"
            )
        self._total += needed
        return self._folder.write(entry, content)


def _write(folder: int, name: str, entry: Entry, content: Iterable[bytes]) -> None:
    """Write a file under another name, and give it its own when it is whole. Raises OSError, and what `content` raises."""
    unfinished = f".{name}"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(as_json.write(entry) + b"\n")
            for chunk in content:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished, dir_fd=folder)
        raise
