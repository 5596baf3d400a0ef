"""Writing to mailboxes: Maildir and mbox files, as the user who owns them. Plain blocking functions; the agent process calls them.

Contract: the message is complete and on stable storage when a function returns, or the mailbox is as it was before.
Failure: MailboxError, whose words and status code are those that Postfix's local(8) and virtual(8) report.
"""

import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

Chunks = Iterable[bytes]


class MailboxError(Exception):
    """A delivery that failed: `enhanced` status code, `text` for the sender and the log, `diagnostic` for the report."""

    def __init__(self, enhanced: str, text: str, diagnostic: str = "") -> None:
        super().__init__(text)
        self.enhanced = enhanced
        self.text = text
        self.diagnostic = diagnostic


class LockRules(Struct, frozen=True):
    """How an mbox is locked (mailbox_delivery_lock, deliver_lock_*): `methods` of `fcntl`, `flock`, `dotlock`; times in seconds."""

    methods: tuple[str, ...] = ("fcntl", "dotlock")
    attempts: int = 20
    delay: float = 1.0
    stale: float = 500.0


class Mailbox(Struct, frozen=True):
    """Where to write: `path` of the Maildir (ends in /) or mbox file, owned by `uid`:`gid`; `limit` octets, 0 for none.
    `strict_ownership`: refuse an mbox that belongs to somebody else (strict_mailbox_ownership)."""

    path: str
    uid: int
    gid: int
    limit: int = 0
    strict_ownership: bool = True


def deliver_to_maildir(box: Mailbox, chunks: Chunks, now: Callable[[], float]) -> None:
    """Write to `tmp/`, sync, link into `new/` (Maildir's own protocol). Raises MailboxError."""
    seconds = now()
    name = f"{int(seconds)}.P{os.getpid()}.{socket.gethostname()}"
    temporary = f"{box.path}tmp/{name}.{int(seconds % 1 * 1e6)}.{os.urandom(4).hex()}"
    try:
        descriptor = _create(box, temporary)
    except OSError as error:
        raise MailboxError(*_creation(error, f"create maildir file {temporary}")) from None
    try:
        try:
            _write(descriptor, chunks, box.limit, 0)
            os.fsync(descriptor)
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        micros = int(seconds % 1 * 1e6)
        final = f"{int(seconds)}.V{status.st_dev:x}I{status.st_ino:x}M{micros}.{socket.gethostname()}"
        os.rename(temporary, f"{box.path}new/{final}")
        _sync_directory(f"{box.path}new")
    except OSError as error:
        _remove(temporary)
        raise MailboxError(*_writing(error, "maildir", box.path)) from None


def _create(box: Mailbox, temporary: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(temporary, flags, 0o600)
    except FileNotFoundError:
        for folder in ("tmp", "new", "cur"):
            os.makedirs(f"{box.path}{folder}", 0o700, exist_ok=True)
        return os.open(temporary, flags, 0o600)


def _sync_directory(path: str) -> None:
    """A rename is durable once its directory is; without this a power cut could take the delivered message back."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return


def _write(descriptor: int, chunks: Chunks, limit: int, already: int) -> int:
    """Write all of `chunks`; EFBIG where the file would grow beyond `limit`. Returns the octets written."""
    written = 0
    for chunk in chunks:
        if limit and already + written + len(chunk) > limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        view = memoryview(chunk)
        while view:
            count = os.write(descriptor, view)
            view = view[count:]
            written += count
    return written


def deliver_to_mbox(box: Mailbox, chunks: Chunks, locks: LockRules, now: Callable[[], float], *, create: bool = True) -> None:
    """Append one message (whose chunks begin with the `From ` line and end with an empty line). Raises MailboxError."""
    try:
        with _dotlock(box.path, locks, now):
            descriptor = _open_mbox(box, create=create)
            try:
                _append(descriptor, box, chunks, locks)
            finally:
                os.close(descriptor)
    except BlockingIOError as error:
        raise MailboxError("4.2.0", f"cannot update mailbox {box.path}: {error.strerror}", "") from None
    except OSError as error:
        raise MailboxError(*_writing(error, "mailbox", box.path)) from None


def _open_mbox(box: Mailbox, *, create: bool) -> int:
    """Open an mbox for appending: a regular file with one link, owned by its user; never through a symbolic link."""
    descriptor = os.open(box.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0), 0o600)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_nlink != 1:
        os.close(descriptor)
        raise OSError(errno.EMLINK, "file has more than one link")
    if stat.S_ISREG(status.st_mode) and box.strict_ownership and status.st_uid != box.uid:
        os.close(descriptor)
        raise MailboxError("4.2.0", f"destination {box.path} is not owned by recipient")
    return descriptor


def _append(descriptor: int, box: Mailbox, chunks: Chunks, locks: LockRules) -> None:
    if "fcntl" in locks.methods:
        _lock(lambda: fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB), locks)
    if "flock" in locks.methods:
        _lock(lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB), locks)
    regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    before = os.fstat(descriptor).st_size
    try:
        _write(descriptor, chunks, box.limit, before)
        if regular:
            os.fsync(descriptor)
    except OSError:
        if regular:
            os.ftruncate(descriptor, before)
        raise


def _lock(attempt: Callable[[], None], locks: LockRules) -> None:
    for left in range(locks.attempts - 1, -1, -1):
        try:
            return attempt()
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN) or not left:
                raise BlockingIOError(
                    errno.EAGAIN, "unable to lock for exclusive access: Resource temporarily unavailable"
                ) from None
        time.sleep(locks.delay)
    return None


@contextmanager
def _dotlock(path: str, locks: LockRules, now: Callable[[], float]) -> "Iterator[None]":
    """Hold `path.lock` meanwhile; one older than `stale` seconds is taken for left behind."""
    if "dotlock" not in locks.methods:
        yield
        return
    name = f"{path}.lock"

    def attempt() -> None:
        try:
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400))
        except FileExistsError:
            if os.lstat(name).st_mtime + locks.stale < now():
                os.unlink(name)
            raise BlockingIOError(errno.EAGAIN, "") from None

    _lock(attempt, locks)
    try:
        yield
    finally:
        _remove(name)


# What a failed system call means for the message: (enhanced status code, diagnostic) as Postfix's mbox_dsn tells them.
_MEANING = {
    errno.ENOSPC: ("4.3.0", ""),
    errno.EDQUOT: ("5.2.2", "x-unix; input/output error"),
    errno.EFBIG: ("5.2.2", "x-unix; input/output error"),
}


def _writing(error: OSError, kind: str, path: str) -> tuple[str, str, str]:
    enhanced, diagnostic = _MEANING.get(error.errno or 0, ("4.2.0", ""))
    if error.errno in (errno.EFBIG, errno.EDQUOT, errno.ENOSPC):
        return enhanced, f"delivery failed to {kind} {path}: error writing message: {error.strerror}", diagnostic
    return enhanced, f"delivery failed to {kind} {path}: {error.strerror}", diagnostic


def _creation(error: OSError, what: str) -> tuple[str, str, str]:
    return "4.2.0", f"maildir delivery failed: {what}: {error.strerror}", ""
