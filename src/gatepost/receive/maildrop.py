"""The maildrop: where `sendmail` leaves messages, with or without a running mail system, and pickup(8) finds them.

A file is one line of JSON (what sendmail was told) and the content in wire form (`mail/content.py`). It is written under a
name that nobody can guess, synced, and renamed to end in `.msg` when complete; its owner is the user who submitted it, which
the kernel vouches for. All else that a file says is its owner's word: whoever reads it trusts nothing of it.
"""

import contextlib
import errno
import heapq
import os
import secrets
import stat
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from gatepost.mail import as_json
from gatepost.mail.content import CHUNK
from gatepost.mail.envelope import Notify, Recipient

COMPLETE = ".msg"
LONGEST_ENVELOPE = 1 << 24
"""Octets of the first line of a file."""

AT_ONCE = 100
"""Files of one user that are taken in before the maildrop is looked at again."""

_NOT_THE_FILE = frozenset({errno.ENOENT, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_ALL_NOTIFY = Notify.NEVER | Notify.SUCCESS | Notify.FAILURE | Notify.DELAY
_WORDS = {
    "encoding": frozenset({"", "7bit", "8bit"}),
    "ret": frozenset({"", "FULL", "HDRS"}),
    "trace": frozenset({"", "deliver", "verify"}),
}


class Submission(Struct, frozen=True, omit_defaults=True):
    """What sendmail(1) was told. `sender` and `recipients`: internal form, not yet completed; `fullname`: for a From header
    that is to be made; `encoding`: body type, `7bit` or `8bit`; `ret`: `FULL` or `HDRS`;
    `verp`: the two delimiters; `trace`: `deliver` or `verify` where a report of the delivery is wanted (-v, -bv); `gateway`: the
    mail is others', and its headers are left as they are (-G); `released`: it comes out of the quarantine, and is not looked into
    again: true only of what the mail system's own user has left."""

    sender: str
    recipients: tuple[Recipient, ...] = ()
    fullname: str = ""
    encoding: str = ""
    envid: str = ""
    ret: str = ""
    verp: str = ""
    trace: str = ""
    smtputf8: bool = False
    gateway: bool = False
    released: bool = False


class Damaged(Exception):
    """A file of the maildrop that is no submission, or cannot be read."""


def write(maildrop: Path, submission: Submission, content: Iterable[bytes]) -> Path:
    """Leave a message in `maildrop`; durable when this returns. Raises OSError, and what `content` raises."""
    # The folder itself, not where a link leads that mail_owner may have put in its place: root submits mail, too.
    folder = os.open(maildrop, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return maildrop / _write(folder, secrets.token_hex(16), submission, content)
    finally:
        os.close(folder)


def _write(folder: int, name: str, submission: Submission, content: Iterable[bytes]) -> str:
    """Write the file `name` of an open folder, and give it its final name, which is returned."""
    # Readable for the mail owner, who could not read it else: the folder cannot be listed, and the name cannot be guessed.
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=folder)
    try:
        os.fchmod(descriptor, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(as_json.write(submission) + b"\n")
            for chunk in content:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        final = name + COMPLETE
        os.rename(name, final, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(name, dir_fd=folder)
        raise
    return final


def waiting(maildrop: Path, passed_over: Container[str] = ()) -> list[Path]:
    """Complete submissions, in turn. `passed_over`: paths to leave out. Raises OSError."""
    files: dict[int, list[tuple[int, str]]] = defaultdict(list)
    with os.scandir(maildrop) as entries:
        for entry in entries:
            if entry.name.endswith(COMPLETE) and entry.path not in passed_over:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    files[status.st_uid].append((status.st_mtime_ns, entry.path))
    return [Path(path) for path in in_turn(files)]


def in_turn(files: Mapping[int, Iterable[tuple[int, str]]]) -> list[str]:
    """Whose files come next: `files` are (time, path) by owner. Owners take turns, each with the oldest first and with no more than
    `AT_ONCE` at a time, so that nobody's thousands, however old they claim to be, hold up the mail of others."""
    turns = (enumerate(heapq.nsmallest(AT_ONCE, of_one)) for of_one in files.values())
    return [path for _, _, path in sorted((turn, when, path) for of_one in turns for turn, (when, path) in of_one)]


class Waiting:
    """An opened submission. `uid`: of its owner; `left`: when it was left, seconds since 1970. The file stays open: its owner
    may put another one in its place at any time."""

    def __init__(self, file: BinaryIO, submission: Submission, uid: int, left: float) -> None:
        self.submission = submission
        self.uid = uid
        self.left = left
        self._file = file

    def chunks(self) -> Iterator[bytes]:
        """The content, once. Raises Damaged."""
        while chunk := _read(lambda: self._file.read(CHUNK)):
            yield chunk


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Waiting]:
    """The submission in `path`. Raises Damaged, and OSError where it is not the file that is wrong."""
    try:
        # Not through a link of any kind, and without waiting for the other end of a named pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NOT_THE_FILE:
            raise
        raise Damaged(str(error.strerror)) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(descriptor)
        raise Damaged("not a file of its own")
    with os.fdopen(descriptor, "rb") as file:
        yield Waiting(file, _submission(_read(lambda: file.readline(LONGEST_ENVELOPE + 1))), status.st_uid, status.st_mtime)


def _read(read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except OSError as error:
        raise Damaged(str(error.strerror)) from None


def _submission(line: bytes) -> Submission:
    if len(line) > LONGEST_ENVELOPE:
        raise Damaged("the envelope is too long")
    try:
        submission = as_json.read(line, Submission)
    except ValueError as error:
        raise Damaged(str(error)) from None
    for name, allowed in _WORDS.items():
        if getattr(submission, name) not in allowed:
            raise Damaged(f"{name}: not a value of it")
    if any("\0" in text for text in _texts(submission)):
        raise Damaged("a NUL character")
    if not all(0 <= recipient.notify <= _ALL_NOTIFY for recipient in submission.recipients):
        raise Damaged("notify: not a value of it")
    return submission


def _texts(submission: Submission) -> Iterator[str]:
    yield from (submission.sender, submission.fullname, submission.envid, submission.verp)
    for recipient in submission.recipients:
        yield from (recipient.address, recipient.original, recipient.orcpt)
