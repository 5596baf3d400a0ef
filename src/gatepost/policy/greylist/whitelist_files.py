"""The files of the lists, read again when they change. Beside `FILE` there may be `FILE.local`, which is read as well.

A thread looks at them, as a long list takes its time and a file system may hang; meanwhile what was read last holds.
Failure: what cannot be read, or not in time, lists nobody; the log has one line for it.
"""

import math
import os
import stat
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from gatepost.lookup.blocking import BlockingCalls, Hangs
from gatepost.lookup.opening import Warn
from gatepost.lookup.port import Unavailable
from gatepost.lookup.table_text import read_file
from gatepost.policy.greylist.settings import GreylistSettings
from gatepost.policy.greylist.whitelists import ClientList, Line, RecipientList, entries

_LOOK_PAUSE: Final = 1.0  # seconds between two looks whether a file has changed
_HANGING_PAUSE: Final = 60.0  # the same where a look has not come back
_PATIENCE: Final = 5.0  # seconds that somebody waits for a look
LONGEST_FILE: Final = 4 << 20
"""Octets; a larger list is not read."""

_Stamps = tuple[tuple[int, int, int] | None, ...]


class _Read(NamedTuple):
    """The lists as they were read. `stamps`: of the files then; `told`: what there is to say of them."""

    stamps: tuple[_Stamps, ...]
    clients: ClientList
    recipients: RecipientList
    told: "_Told"


class Whitelists:
    """The lists of a service, which are first read when somebody asks. `clock`: seconds, of any start."""

    def __init__(
        self, settings: GreylistSettings, warn: Warn, clock: Callable[[], float], calls: BlockingCalls | None = None
    ) -> None:
        self._paths = tuple(_with_local(files) for files in _files(settings))
        self._warn = warn
        self._clock = clock
        self._calls = calls or BlockingCalls(1, _PATIENCE)
        self._look_at = -math.inf
        self._read: _Read | None = None

    async def current(self) -> tuple[ClientList, RecipientList]:
        """The lists as the files have them, give or take a second. Who comes while somebody looks has those of before."""
        now = self._clock()
        if now >= self._look_at or self._read is None:
            self._look_at = now + _LOOK_PAUSE
            await self._look()
        assert self._read is not None
        return self._read.clients, self._read.recipients

    async def _look(self) -> None:
        stamps = self._read.stamps if self._read is not None else ()
        try:
            read = await self._calls.run("whitelists", partial(_changed, self._paths, stamps, self._warn))
        except Hangs as hangs:
            self._hang(hangs)
        else:
            if read is not None and read is not self._read:  # another who waited may have taken it
                self._read = read
                read.told.tell()

    def _hang(self, hangs: Hangs) -> None:
        if self._clock() + _LOOK_PAUSE >= self._look_at:
            self._look_at = self._clock() + _HANGING_PAUSE
            files = ", ".join(path for paths in self._paths for path in paths)
            self._warn(f"{files}: {hangs.why}: {'nobody is listed' if self._read is None else 'what was read before holds'}")
        if self._read is None:
            self._read = _nobody(self._warn)


class _Told:
    """Keeps what a thread has to say until the event loop can say it; what comes later is said at once."""

    def __init__(self, warn: Warn) -> None:
        self._warn = warn
        self._held: list[str] | None = []

    def __call__(self, text: str) -> None:
        if self._held is None:
            self._warn(text)
        else:
            self._held.append(text)

    def tell(self) -> None:
        """Say what was kept."""
        held, self._held = self._held, None
        for text in held or ():
            self._warn(text)


def _nobody(warn: Warn) -> _Read:
    return _Read((), ClientList((), warn), RecipientList((), warn), _Told(warn))


def _changed(paths: Sequence[Sequence[str]], known: tuple[_Stamps, ...], warn: Warn) -> _Read | None:
    """The lists, None where the files are as they were known to be."""
    stamps = tuple(map(_stamps, paths))
    if stamps == known:
        return None
    told = _Told(warn)
    clients, recipients = ([line for path in files for line in _lines(path, told)] for files in paths)
    return _Read(stamps, ClientList(clients, told), RecipientList(recipients, told), told)


def _lines(path: str, warn: Warn) -> Sequence[Line]:
    if path == os.devnull:
        return ()
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise Unavailable(path, f"open {path}: not a regular file")
        if status.st_size > LONGEST_FILE:
            raise Unavailable(path, f"open {path}: larger than {LONGEST_FILE} octets")
        return tuple(entries(path, read_file(path, path)))
    except FileNotFoundError:
        if not path.endswith(".local"):
            warn(f"{path} is not there, and lists nobody; greylist_whitelist_clients and _recipients name such files")
    except OSError as error:
        warn(f"open {path}: {error.strerror}: it lists nobody")
    except Unavailable as error:
        warn(f"{error.why}: it lists nobody")
    return ()


def _files(settings: GreylistSettings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return settings.greylist_whitelist_clients, settings.greylist_whitelist_recipients


def _with_local(files: Sequence[str]) -> tuple[str, ...]:
    """Each with its `.local`, once."""
    return tuple(dict.fromkeys(path for file in files for path in (file, file if file.endswith(".local") else f"{file}.local")))


def _stamps(paths: Sequence[str]) -> _Stamps:
    return tuple(map(_stamp, paths))


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
