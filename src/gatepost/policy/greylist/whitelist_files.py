"""The files of the lists, read again when they change. Beside `FILE` there may be `FILE.local`, which is read as well."""

import math
import os
from collections.abc import Callable, Sequence
from typing import Final

from gatepost.lookup.opening import Warn
from gatepost.lookup.port import Unavailable
from gatepost.lookup.table_text import read_file
from gatepost.policy.greylist.settings import GreylistSettings
from gatepost.policy.greylist.whitelists import ClientList, Line, RecipientList, entries

_LOOK_PAUSE: Final = 1.0  # seconds between two looks whether a file has changed
LONGEST_FILE: Final = 4 << 20
"""Octets; a larger list is not read."""

_Stamps = tuple[tuple[int, int, int] | None, ...]


class Whitelists:
    """The lists of a service, which are first read when somebody asks. `clock`: seconds, of any start."""

    def __init__(self, settings: GreylistSettings, warn: Warn, clock: Callable[[], float]) -> None:
        self._paths = tuple(_with_local(files) for files in _files(settings))
        self._warn = warn
        self._clock = clock
        self._look_at = -math.inf
        self._stamps: tuple[_Stamps, ...] = ()

    def current(self) -> tuple[ClientList, RecipientList]:
        """The lists as the files have them, give or take a second."""
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + _LOOK_PAUSE
            if tuple(map(_stamps, self._paths)) != self._stamps:
                self._load()
        return self._clients, self._recipients

    def _load(self) -> None:
        self._stamps = tuple(map(_stamps, self._paths))
        clients, recipients = ([line for path in paths for line in self._lines(path)] for paths in self._paths)
        self._clients = ClientList(clients, self._warn)
        self._recipients = RecipientList(recipients, self._warn)

    def _lines(self, path: str) -> Sequence[Line]:
        try:
            if os.stat(path).st_size > LONGEST_FILE:
                raise Unavailable(path, f"open {path}: larger than {LONGEST_FILE} octets")
            return tuple(entries(path, read_file(path, path)))
        except FileNotFoundError:
            if not path.endswith(".local"):
                self._warn(f"{path} is not there, and lists nobody; greylist_whitelist_clients and _recipients name such files")
        except OSError as error:
            self._warn(f"open {path}: {error.strerror}: it lists nobody")
        except Unavailable as error:
            self._warn(f"{error.why}: it lists nobody")
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
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
