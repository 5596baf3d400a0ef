"""Changes to a user file: under a lock, in one step, what is not asked for kept as it was written (comments above all)."""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from gatepost.auth.backends.stored_password import hashed_token
from gatepost.auth.backends.user_file import MOST_LABELS, Entry, entries, read
from gatepost.auth.backends.user_file_scram import with_secret
from gatepost.config.edit import rewrite
from gatepost.proto.sasl.port import LONGEST_NAME

LONGEST_LABEL: Final = 64
LONGEST_PASSWORD: Final = 511
"""Octets: what every scheme can take."""
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_TOKEN: Final = 24
"""Letters of 31: 118 bits."""
_HEAD: Final = "# Users of Gatepost: LOGIN:{SCHEME}HASH[:LABEL]. Kept by `gatepost user`.\n"


class Refusal(Exception):
    """What is asked for cannot be done; the text says why."""


def check_login(login: str) -> None:
    """Raises Refusal for a name that no line can hold, or that no client could log in with."""
    _check_word("login name", login, LONGEST_NAME)
    if login.startswith("#"):
        raise Refusal("login name: it begins with #")


def check_label(label: str) -> None:
    """Raises Refusal."""
    _check_word("label", label, LONGEST_LABEL)


def _check_word(what: str, word: str, longest: int) -> None:
    if not word:
        raise Refusal(f"{what}: it is empty")
    if not word.isprintable() or ":" in word or word != word.strip():  # surrogate escapes are not printable, either
        raise Refusal(f"{what}: it has a colon, a character that cannot be printed, or a space at an end")
    if len(word.encode()) > longest:
        raise Refusal(f"{what}: it is longer than {longest} octets")


def check_password(password: bytes) -> None:
    """Raises Refusal for one that cannot be sent or hashed."""
    if not password:
        raise Refusal("the password is empty")
    if len(password) > LONGEST_PASSWORD:
        raise Refusal(f"the password is longer than {LONGEST_PASSWORD} octets")
    try:
        text = password.decode()
    except UnicodeDecodeError:
        raise Refusal("the password is not UTF-8") from None
    if any(character < " " or character == "\x7f" for character in text):
        raise Refusal("the password has a control character")


def make_token() -> tuple[str, str]:
    """A password made at random, and how it is stored."""
    token = "".join(secrets.choice(_ALPHABET) for _ in range(_TOKEN))
    return token, hashed_token(token)


# --- changes of a text ---

Scram = Callable[[str, Entry], Entry]
"""(text, new password): the password with SCRAM keys, or as it is. Costs time."""


def no_keys(text: str, new: Entry) -> Entry:
    """The password without SCRAM keys."""
    return new


def with_password(text: str, login: str, stored: str, *, new: bool, scram: Scram = no_keys) -> str:
    """The user's own password. Raises Refusal where there is one and it should be `new`, or the contrary."""
    exists = _has(text, login, None)
    if new and exists:
        raise Refusal(f"{login} exists already: change the password by `gatepost user passwd`")
    if not new and not exists:
        raise Refusal(f"there is no user {login}")
    return with_secret(_replaced(text, scram(text, Entry(login, stored))))


def with_application(text: str, login: str, stored: str, label: str, scram: Scram = no_keys) -> str:
    """One more password. Raises Refusal."""
    if not _has(text, login, None):
        raise Refusal(f"there is no user {login}")
    labels = labels_of(text, login)
    if label in labels:
        raise Refusal(f"{login} has an application password {label} already: revoke it first")
    if len(labels) >= MOST_LABELS:
        raise Refusal(f"{login} has {MOST_LABELS} application passwords, and may have no more")
    return with_secret(_replaced(text, scram(text, Entry(login, stored, label))))


def without_application(text: str, login: str, label: str) -> str:
    """Raises Refusal where there is none of that label."""
    if not _has(text, login, label):
        raise Refusal(f"{login} has no application password {label}")
    return "".join(line for line, entry in _lines(text) if (entry.login, entry.label) != (login, label))


def without_user(text: str, login: str) -> str:
    """The text without the user and his application passwords. Raises Refusal where there is no such user."""
    if not _has(text, login, None):
        raise Refusal(f"there is no user {login}")
    return "".join(line for line, entry in _lines(text) if entry.login != login)


def labels_of(text: str, login: str) -> list[str]:
    """Labels of a user's application passwords, in order."""
    return [entry.label for _, entry in _lines(text) if entry.login == login and entry.label]


def logins_of(text: str) -> list[str]:
    """The users, in order, each once."""
    return list(dict.fromkeys(entry.login for _, entry in _lines(text) if entry.login))


_NOBODY: Final = Entry("", "")
_PHYSICAL: Final = re.compile(r"[^\n]*\n|[^\n]+")


def _lines(text: str) -> Iterator[tuple[str, Entry]]:
    """Each line and what it says, if anything. One that is wrong still belongs to whom it names."""
    told = dict(entries(text))
    for number, line in enumerate(_PHYSICAL.findall(text), 1):
        entry = told.get(number, _NOBODY)
        yield line, entry if isinstance(entry, Entry) else _of_faulty(line)


def _of_faulty(line: str) -> Entry:
    login, _, rest = line.rstrip("\r\n").partition(":")
    return Entry(login, "", rest.partition(":")[2])


def _has(text: str, login: str, label: str | None) -> bool:
    return any(entry.login == login and (label is None or entry.label == label) for _, entry in _lines(text))


def _replaced(text: str, new: Entry) -> str:
    """With this line in the place of the one for the same password; else behind the user's others; else at the end."""
    line = ":".join(filter(None, (new.login, new.stored, new.label))) + "\n"
    out: list[str] = []
    place = None
    for old, entry in _lines(text):
        if (entry.login, entry.label) == (new.login, new.label):
            continue
        out.append(old if old.endswith("\n") else old + "\n")
        if entry.login == new.login:
            place = len(out)
    out.insert(len(out) if place is None else place, line)
    return "".join(out)


# --- the file ---


def change(path: Path, edit: Callable[[str], str], owner: tuple[int, int], patience: float = 10.0) -> None:
    """Let `edit` make a new text of the file. Where there is none it is made, if its folder exists, of mode 0640. `owner`: uid and
    gid of a new file, where we are root; `patience`: seconds to wait for others that change it. Raises Refusal, OSError."""
    real = Path(os.path.realpath(path))
    with _locked(real, patience):
        text = read(str(real)) if real.exists() else _HEAD
        changed = edit(text)
        if not real.exists():
            _make(real, owner)
        rewrite(real, changed)


def _make(path: Path, owner: tuple[int, int]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if os.geteuid() == 0:
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, 0o640)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(path: Path, patience: float) -> Iterator[None]:
    """Alone with the file. The lock is a file beside it, for that itself is replaced; nobody else may open it, and hold us up."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    lock = os.open(path.with_name(path.name + ".lock"), flags, 0o600)
    try:
        until = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno != errno.EWOULDBLOCK:
                    raise
                if time.monotonic() > until:
                    raise Refusal(f"{path} is being changed by somebody else: try again") from None
                time.sleep(0.05)
        yield
    finally:
        os.close(lock)
