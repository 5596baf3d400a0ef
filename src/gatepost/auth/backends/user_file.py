"""`file:PATH`: users of a file of our own, which `gatepost user` keeps.

A line is `LOGIN:{SCHEME}HASH`, the password of a user, or `LOGIN:{SCHEME}HASH:LABEL`, one that was made for a program of his (an
application password), which can be taken back alone. Behind the hash SCRAM keys of the password may stand (scram_words.py).
`:{DECOYS}KEY` is a secret of the file, of which is made what clients are told of users that there are not. Empty lines, and those
that begin with `#`, mean nothing.

One slow hash is computed for each attempt, whether there is such a user or not. Application passwords are made at random, so that
a digest does for them, and there may be many.
"""

import os
import re
import stat
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from gatepost.auth.backends import scram_words, stored_password
from gatepost.auth.backends.hashing import Busy, Hashing
from gatepost.auth.backends.reread import Reread
from gatepost.auth.backends.stored_password import Malformed
from gatepost.auth.port import Attempt
from gatepost.proto.sasl.port import (
    Accepted,
    IsPassword,
    Question,
    Refused,
    ScramKeys,
    ScramKeysOf,
    Secret,
    Unavailable,
    Verdict,
)
from gatepost.proto.sasl.scram_keys import DIGESTS, Decoys, Form

LONGEST_FILE: Final = 1 << 26
"""Octets."""
MOST_LABELS: Final = 100
"""Application passwords of a user."""


class Entry(Struct, frozen=True):
    """One line. `login`: empty for the secret of the file; `label`: empty for the user's own password."""

    login: str
    stored: str
    label: str = ""


class User(Struct, frozen=True):
    """`stored`: None where he has application passwords only."""

    stored: str | None
    applications: Mapping[str, str]

    @property
    def passwords(self) -> tuple[str, ...]:
        """What is stored of all of them."""
        own = () if self.stored is None else (self.stored,)
        return *own, *self.applications.values()


class Users(Struct, frozen=True):
    """What a file says.

    - `scram`: SCRAM keys by user and digest, where each of the user's passwords has some, of one salt;
    - `forms`: of these keys, by digest, where each password of the file has some;
    - `secret`: the key of decoys, None where the file has none;
    - `faults`: (line, what is wrong with it, with nothing of what it holds).
    """

    by_login: Mapping[str, User]
    faults: tuple[tuple[int, str], ...] = ()
    scram: Mapping[tuple[str, str], ScramKeys] = {}
    forms: Mapping[str, Mapping[Form, int]] = {}
    secret: Secret | None = None

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
    if _SECRET.fullmatch(line):
        return Entry("", line[1:])
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


_SECRET: Final = re.compile(r":\{DECOYS\}((?:[A-Za-z0-9+/]{4}){10}[A-Za-z0-9+/]{3}=)")
"""32 octets in base64."""


def secret_line(octets: bytes) -> str:
    """The secret of a file, 32 octets, as it stands there."""
    return ":{DECOYS}" + b64encode(octets).decode() + "\n"


def parse(text: str) -> Users:
    """The users of a file."""
    secret: Secret | None = None
    own: dict[str, str | None] = {}
    applications: dict[str, dict[str, str]] = {}
    faults: list[tuple[int, str]] = []
    for number, entry in entries(text):
        if isinstance(entry, str):
            faults.append((number, entry))
            continue
        if not entry.login:
            secret = Secret(b64decode(entry.stored.removeprefix("{DECOYS}")))
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
    users = {login: User(own.get(login), labels) for login, labels in applications.items()}
    scram = {(login, digest): keys for login, user in users.items() for digest, keys in scram_keys(login, user).items()}
    return Users(users, tuple(faults), scram, {} if faults else _forms(users, scram), secret)


def scram_keys(login: str, user: User) -> Mapping[str, ScramKeys]:
    """A user's SCRAM keys by digest, where all passwords have some, of one salt and as many iterations."""
    kept = [scram_words.divided(stored)[1] for stored in user.passwords]
    return {
        digest: ScramKeys(login, first.salt, first.iterations, tuple(each[digest].pair for each in kept))
        for digest, first in (kept[0].items() if kept else ())
        if all(digest in each and (each[digest].salt, each[digest].iterations) == (first.salt, first.iterations) for each in kept)
    }


def _forms(users: Mapping[str, User], scram: Mapping[tuple[str, str], ScramKeys]) -> Mapping[str, Mapping[Form, int]]:
    return {
        digest: Counter(Form(len(keys.salt), keys.iterations) for (_, kind), keys in scram.items() if kind == digest)
        for digest in DIGESTS
        if users and all((login, digest) in scram for login in users)
    }


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


class _Said(Struct, frozen=True):
    """`remarks`: what is wrong with the file, for people."""

    users: Users
    remarks: tuple[str, ...] = ()


class UserFile:
    """A ScramKeeper. The file is read again when it has changed. `warn`: is told what is wrong with it, once for each reading;
    `decoy_key`: makes decoys where the file has no secret for that."""

    answers: frozenset[type[Question]] = frozenset((IsPassword, ScramKeysOf))

    def __init__(self, path: str, hashing: Hashing, warn: Callable[[str], None], decoy_key: bytes = b"") -> None:
        self._path = path
        self._hashing = hashing
        self._warn = warn
        self._decoy_key = decoy_key
        self._file = Reread(path, hashing, _said, _Said(Users({})))

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        try:
            users = await self._users()
            if isinstance(question, ScramKeysOf):
                return _keys(users, question)
            assert isinstance(question, IsPassword)
            return await self._hashing.run(lambda: verdict(users, question.user, question.password.octets))
        except Busy as busy:
            return Unavailable(str(busy))
        except OSError as error:
            return Unavailable(f"file:{self._path}: {error.strerror}")

    async def decoys(self) -> Mapping[str, Decoys]:
        """As of ScramDecoys."""
        try:
            users = await self._users()
        except (Busy, OSError):
            return {}
        key = users.secret.octets if users.secret is not None else self._decoy_key
        return {digest: Decoys(key, forms) for digest, forms in users.forms.items()}

    async def _users(self) -> Users:
        """As the file has them now. Raises Busy, OSError."""
        said, is_news = await self._file.current()
        for remark in said.remarks if is_news else ():
            self._warn(remark)
        return said.users


def _said(path: str) -> _Said:
    """Raises OSError."""
    users, mode = parse(read(path)), os.stat(path).st_mode
    return _Said(users, tuple(remarks(path, users, mode)))


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


def _keys(users: Users, question: ScramKeysOf) -> Verdict:
    keys = users.scram.get((question.user, question.digest))
    if keys is not None:
        return keys
    return Unavailable("a line of the file cannot be read") if users.faults else Refused()
