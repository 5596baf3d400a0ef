"""The maildrop: where `sendmail` leaves messages, with or without a running mail system, and pickup(8) finds them.

A file is one line of JSON (what sendmail was told) and the content in wire form (`mail/content.py`). It is written under a
name that nobody can guess, synced, and renamed to end in `.msg` when complete; its owner is the user who submitted it, which
the kernel vouches for. All else that a file says is its owner's word: whoever reads it trusts nothing of it.
"""

import contextlib
import errno
import json
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from gatepost.mail.content import CHUNK
from gatepost.mail.envelope import Recipient

COMPLETE = ".msg"
_LONGEST_ENVELOPE = 1 << 24


class Submission(Struct, frozen=True, omit_defaults=True):
    """What sendmail(1) was told. `sender` and `recipients`: internal form, not yet completed; `fullname`: for a From header
    that is to be made; `encoding`: body type, `7bit` or `8bit`; `ret`: `FULL` or `HDRS`;
    `verp`: the two delimiters; `trace`: `deliver` or `verify` where a report of the delivery is wanted (-v, -bv)."""

    sender: str
    recipients: tuple[Recipient, ...] = ()
    fullname: str = ""
    encoding: str = ""
    envid: str = ""
    ret: str = ""
    verp: str = ""
    trace: str = ""
    smtputf8: bool = False


class Damaged(Exception):
    """A file of the maildrop that is no submission."""


def write(maildrop: Path, submission: Submission, content: Iterable[bytes]) -> Path:
    """Leave a message in `maildrop`; durable when this returns. Raises OSError, and what `content` raises."""
    name = maildrop / secrets.token_hex(16)
    # Readable for the mail owner, who could not read it else: the folder cannot be listed, and the name cannot be guessed.
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(descriptor, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            # The standard library's JSON escapes octets that are not UTF-8, for which msgspec's has no place.
            file.write(json.dumps(msgspec.to_builtins(submission)).encode("ascii") + b"\n")
            for chunk in content:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        final = name.with_suffix(COMPLETE)
        os.rename(name, final)
    except BaseException:
        os.unlink(name)
        raise
    return final


def waiting(maildrop: Path) -> list[Path]:
    """Complete submissions, oldest first. Raises OSError."""
    found: list[tuple[int, str]] = []
    with os.scandir(maildrop) as entries:
        for entry in entries:
            if entry.name.endswith(COMPLETE):
                with contextlib.suppress(FileNotFoundError):
                    found.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.path))
    return [Path(path) for _, path in sorted(found)]


class Waiting:
    """An opened submission. `uid`: of its owner; `left`: when it was left, seconds since 1970. The file stays open: its owner
    may put another one in its place at any time."""

    def __init__(self, file: BinaryIO, submission: Submission, uid: int, left: float) -> None:
        self.submission = submission
        self.uid = uid
        self.left = left
        self._file = file

    def chunks(self) -> Iterator[bytes]:
        """The content, once. Raises OSError."""
        while chunk := self._file.read(CHUNK):
            yield chunk


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Waiting]:
    """The submission in `path`. Raises Damaged, OSError."""
    try:
        # Not through a link of any kind, and without waiting for the other end of a named pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EACCES):
            raise Damaged(f"{path}: {error.strerror}") from None
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(descriptor)
        raise Damaged(f"{path}: not a file of its own")
    with os.fdopen(descriptor, "rb") as file:
        yield Waiting(file, _submission(path, file.readline(_LONGEST_ENVELOPE)), status.st_uid, status.st_mtime)


def _submission(path: Path, line: bytes) -> Submission:
    try:
        # As text: of octets, json would guess the encoding, and import a codec for it at the word of whoever wrote the file.
        return msgspec.convert(json.loads(line.decode("ascii")), Submission)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{path}: {error}") from None
