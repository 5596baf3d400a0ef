"""The maildrop: where `sendmail` leaves messages, with or without a running mail system, and pickup(8) finds them.

A file is one line of JSON (what sendmail was told) and the message as it came. It is written under a name that nobody can guess,
synced, and renamed to end in `.msg` when complete; its owner is the user who submitted it, which the kernel vouches for.
"""

import os
import secrets
from pathlib import Path

import msgspec
from msgspec import Struct

from gatepost.mail.content import CHUNK

COMPLETE = ".msg"
_LONGEST_ENVELOPE = 1 << 24


class Submission(Struct, frozen=True):
    """What sendmail(1) was told. `sender` None: the user's own address. `extract`: recipients are in the headers (-t).
    `fullname`: -F; `encoding`: -B; `notify`: -N; `envid`: -V of DSN; `ret`: -R; `verp`: -XV; `verbose`: a report is wanted (-v, -bv)."""

    sender: str | None = None
    recipients: tuple[str, ...] = ()
    extract: bool = False
    fullname: str = ""
    encoding: str = ""
    notify: int = 0
    envid: str = ""
    ret: str = ""
    verp: str = ""
    verbose: str = ""
    smtputf8: bool = False


class Damaged(Exception):
    """A file of the maildrop that is no submission."""


def write(maildrop: Path, submission: Submission, message: "Reader") -> Path:
    """Leave a message in `maildrop`; durable when this returns. Raises OSError."""
    name = maildrop / secrets.token_hex(16)
    # Readable for the mail owner, who could not read it else: the folder cannot be listed, and the name cannot be guessed.
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(descriptor, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(submission) + b"\n")
            while chunk := message.read(CHUNK):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        final = name.with_suffix(COMPLETE)
        os.rename(name, final)
    except BaseException:
        os.unlink(name)
        raise
    return final


class Reader:
    """Anything with `read`, such as a binary file."""

    def read(self, size: int) -> bytes:
        raise NotImplementedError


def waiting(maildrop: Path) -> list[Path]:
    """Complete submissions, oldest first. Raises OSError."""
    found = [entry for entry in os.scandir(maildrop) if entry.name.endswith(COMPLETE) and entry.is_file(follow_symlinks=False)]
    found.sort(key=lambda entry: entry.stat(follow_symlinks=False).st_mtime_ns)
    return [Path(entry.path) for entry in found]


def read(path: Path) -> tuple[Submission, int, int, float]:
    """A submission, the offset at which its message begins, the uid of its owner, and when it was left. Raises Damaged, OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        line = file.readline(_LONGEST_ENVELOPE)
        status = os.fstat(file.fileno())
    try:
        return msgspec.json.decode(line, type=Submission), len(line), status.st_uid, status.st_mtime
    except msgspec.DecodeError as error:
        raise Damaged(f"{path}: {error}") from None
