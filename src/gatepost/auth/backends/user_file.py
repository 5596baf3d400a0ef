"""`file:PATH`: users of a file of our own, which `gatepost user` keeps.

A line is `LOGIN:{SCHEME}HASH`, the password of a user, or `LOGIN:{SCHEME}HASH:LABEL`, one that was made for a program of his (an
application password), which can be taken back alone. Empty lines, and those that begin with `#`, mean nothing.

One slow hash is computed for each attempt, whether there is such a user or not. Application passwords are made at random, so that
a digest does for them, and there may be many.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from gatepost.auth.backends import stored_password
from gatepost.auth.backends.hashing import Busy, Hashing
from gatepost.auth.backends.stored_password import Malformed
from gatepost.auth.port import Attempt
from gatepost.proto.sasl.port import Accepted, IsPassword, Question, Refused, Unavailable, Verdict

LONGEST_FILE: Final = 1 << 26
"""Octets."""
MOST_LABELS: Final = 100
"""Application passwords of a user."""


class Entry(Struct, frozen=True):
    """One line. `label`: empty for the user's own password."""

    login: str
    stored: str
    label: str = ""


class User(Struct, frozen=True):
    """`stored`: None where he has application passwords only."""

    stored: str | None
    applications: Mapping[str, str]


class Users(Struct, frozen=True):
    """What a file says. `faults`: (line, what is wrong with it, with nothing of what it holds)."""

    by_login: Mapping[str, User]
    faults: tuple[tuple[int, str], ...] = ()

    @property
    def decoy(self) -> str:
        """What takes as long as most users' hashes, for those who do not exist."""
        return next((user.stored for user in self.by_login.values() if user.stored is not None), stored_password.DECOY)


def entries(text: str) -> Iterator[tuple[int, Entry | str]]:
    """(line, what it says, or what is wrong with it)."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            yield number, _entry(line.removesuffix("\r"))


def _entry(line: str) -> Entry | str:
    login, *rest = line.split(":")
    if not login or not 1 <= len(rest) <= 2 or (len(rest) == 2 and not rest[1]):
        return "not of the form LOGIN:{SCHEME}HASH or LOGIN:{SCHEME}HASH:LABEL"
    entry = Entry(login, *rest)
    try:
        stored_password.check(entry.stored)
        if entry.label and not stored_password.is_quick(entry.stored):
            return "an application password has a slow hash: make it by `gatepost user app-password`"
    except Malformed as fault:
        return str(fault)
    return entry


def parse(text: str) -> Users:
    """The users of a file."""
    own: dict[str, str | None] = {}
    applications: dict[str, dict[str, str]] = {}
    faults: list[tuple[int, str]] = []
    for number, entry in entries(text):
        if isinstance(entry, str):
            faults.append((number, entry))
            continue
        labels = applications.setdefault(entry.login, {})
        if entry.label in labels or (not entry.label and own.get(entry.login) is not None):
            faults.append((number, "this password of the user stands above already"))
        elif entry.label and len(labels) >= MOST_LABELS:
            faults.append((number, f"a user has {MOST_LABELS} application passwords at most"))
        elif entry.label:
            labels[entry.label] = entry.stored
        else:
            own[entry.login] = entry.stored
    return Users({login: User(own.get(login), labels) for login, labels in applications.items()}, tuple(faults))


def read(path: str) -> str:
    """The text of such a file. Raises OSError."""
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as stream:
        kind = os.fstat(stream.fileno())
        if not stat.S_ISREG(kind.st_mode):
            raise OSError(0, "not a regular file", path)
        octets = stream.read(LONGEST_FILE + 1)
    if len(octets) > LONGEST_FILE:
        raise OSError(0, f"longer than {LONGEST_FILE} octets", path)
    return octets.decode("utf-8", "surrogateescape")


class UserFile:
    """A Checker. The file is read again when it has changed. `warn`: is told what is wrong with it, once for each reading."""

    answers: frozenset[type[Question]] = frozenset((IsPassword,))

    def __init__(self, path: str, hashing: Hashing, warn: Callable[[str], None]) -> None:
        self._path = path
        self._hashing = hashing
        self._warn = warn
        self._users = Users({})
        self._version: tuple[int, ...] = ()

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        assert isinstance(question, IsPassword)
        try:
            users, news = await self._hashing.run(self._current)
            for remark in news:
                self._warn(remark)
            return await self._hashing.run(lambda: verdict(users, question.user, question.password.octets))
        except Busy as busy:
            return Unavailable(str(busy))
        except OSError as error:
            self._version = ()
            return Unavailable(f"file:{self._path}: {error.strerror}")

    def _current(self) -> tuple[Users, list[str]]:
        """The users as the file has them now, and what is new to be said of it. In a thread. Raises OSError."""
        now = version(self._path)
        if now and now == self._version:
            return self._users, []
        users, mode = parse(read(self._path)), os.stat(self._path).st_mode
        self._users, self._version = users, now
        return users, remarks(self._path, users, mode)


def version(path: str) -> tuple[int, ...]:
    """What differs once a file has changed; empty where it cannot be seen."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def remarks(path: str, users: Users, mode: int) -> list[str]:
    """What is wrong with a file, for people."""
    found = [f"{path}, line {line}: {fault}" for line, fault in users.faults]
    if mode & 0o007:
        found.append(f"{path}: everybody on this machine has access: chmod o= {path}")
    return found


def verdict(users: Users, login: str, password: bytes) -> Verdict:
    """Whether the user has such a password, in a thread. Where a line cannot be read, it might be his."""
    user = users.by_login.get(login, User(None, {}))
    if any(stored_password.verify(stored, password) for stored in user.applications.values()):
        return Accepted(login)
    right = stored_password.verify(user.stored or users.decoy, password)
    if right and user.stored is not None:
        return Accepted(login)
    if users.faults and user.stored is None:
        return Unavailable("a line of the file cannot be read")
    return Refused()
