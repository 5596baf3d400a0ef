"""Writing to mailboxes: Maildir and mbox files, as the user who owns them. Plain blocking functions; the agent process calls them.

Contract: the message is complete and on stable storage when a function returns, or the mailbox is as it was before.
Failure: MailboxError, with the words and status code that Postfix's local(8) and virtual(8) report after a prefix of their own.
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
    `strict_ownership`: refuse an mbox that belongs to somebody else (strict_mailbox_ownership). `privileged`: the directory of an
    mbox is one that only root may write to, so the file is opened by root, and given to its user when it is created."""

    path: str
    uid: int
    gid: int
    limit: int = 0
    strict_ownership: bool = True
    privileged: bool = False


class Arrival:
    """A message on its way into a Maildir, in STEPS: messages that take every step together wait for the disk together. Each step
    raises MailboxError, and then nothing is left in the Maildir. `synced`: directories synced since all of them are there."""

    __slots__ = ("_chunks", "_descriptor", "_name", "_path", "_synced", "box")

    def __init__(self, box: Mailbox, chunks: Chunks, now: float, synced: set[str]) -> None:
        self.box = box
        self._chunks = chunks
        self._synced = synced
        self._name = f"{int(now)}.{{}}M{int(now % 1 * 1e6)}.{socket.gethostname()}"
        self._path = f"{box.path}tmp/{self._name.format(f'P{os.getpid()}R{os.urandom(4).hex()}')}"
        self._descriptor = -1

    def write(self) -> None:
        """Write to `tmp/`, and send the octets on their way to the disk."""
        try:
            self._descriptor = _create(self.box, self._path)
        except OSError as error:
            raise MailboxError(*_opening(error, f"create maildir file {self._path}", "4.2.0")) from None
        with self._undone():
            _write(self._descriptor, self._chunks, self.box.limit, 0)
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # Linux: begins to write, and waits for nothing

    def sync(self) -> None:
        """Wait until the disk has them."""
        with self._undone():
            os.fsync(self._descriptor)

    def show(self) -> None:
        """Move to `new/` (Maildir's own protocol)."""
        with self._undone():
            status = os.fstat(self._descriptor)
            self._close()
            path = f"{self.box.path}new/{self._name.format(f'V{status.st_dev:x}I{status.st_ino:x}')}"
            os.rename(self._path, path)
            self._path = path

    def settle(self) -> None:
        """A rename is durable once its directory is; without this a power cut could take the delivered message back."""
        directory = f"{self.box.path}new"
        if directory not in self._synced:
            with self._undone():
                _sync_directory(directory)
            self._synced.add(directory)

    @contextmanager
    def _undone(self) -> "Iterator[None]":
        """Leave nothing behind where this fails."""
        try:
            yield
        except BaseException as error:
            self._close()
            _remove(self._path)
            if isinstance(error, OSError):
                raise MailboxError(*_writing(error)) from None
            raise

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


STEPS: tuple[Callable[[Arrival], None], ...] = (Arrival.write, Arrival.sync, Arrival.show, Arrival.settle)


def deliver_to_maildir(box: Mailbox, chunks: Chunks, now: Callable[[], float]) -> None:
    """Deliver one message. Raises MailboxError."""
    arrival = Arrival(box, chunks, now(), set())
    for step in STEPS:
        step(arrival)


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


def deliver_to_mbox(
    box: Mailbox, chunks: Chunks, locks: LockRules, now: Callable[[], float], *, create: bool = True, listed: bool = False
) -> None:
    """Append one message (whose chunks begin with the `From ` line and end with an empty line). `listed`: a file that a list of
    recipients names: it may be a device, need not have a lock file, and must not be executable. Raises MailboxError."""
    try:
        with _dotlock(box.path, locks, now, required=not listed):
            descriptor = _open_mbox(box, create=create)
            try:
                _check_mbox(descriptor, box, listed=listed)
                _append(descriptor, box, chunks, locks)
            finally:
                os.close(descriptor)
    except BlockingIOError as error:
        raise MailboxError("4.2.0", error.strerror or "") from None


def _open_mbox(box: Mailbox, *, create: bool) -> int:
    """Open an mbox for appending, never through a symbolic link; one that is created belongs to the user of the mailbox."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    try:
        return os.open(box.path, flags)
    except FileNotFoundError as error:
        if not create:
            raise MailboxError(*_opening(error)) from None
    except OSError as error:
        raise MailboxError(*_opening(error)) from None
    try:
        descriptor = os.open(box.path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise MailboxError(*_opening(error, "cannot create file exclusively")) from None
    if box.privileged:
        os.fchown(descriptor, box.uid, box.gid)
    return descriptor


def _check_mbox(descriptor: int, box: Mailbox, *, listed: bool) -> None:
    """Raise MailboxError for what somebody may have put in the way: directory, device, hard link, another user's file, program."""
    status = os.fstat(descriptor)
    regular = stat.S_ISREG(status.st_mode)
    if not regular and not listed:
        raise MailboxError("5.2.0", f"destination {box.path} is not a regular file")
    if regular and status.st_nlink != 1:
        raise MailboxError("5.2.0", f"file has {status.st_nlink} hard links")
    if regular and box.strict_ownership and status.st_uid != box.uid:
        raise MailboxError("4.2.0", f"destination {box.path} is not owned by recipient")
    if regular and listed and status.st_mode & 0o111:
        raise MailboxError("5.7.1", "file is executable")


def _append(descriptor: int, box: Mailbox, chunks: Chunks, locks: LockRules) -> None:
    if "fcntl" in locks.methods:
        _lock(lambda: fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB), locks)
    if "flock" in locks.methods:
        _lock(lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB), locks)
    status = os.fstat(descriptor)
    regular, before = stat.S_ISREG(status.st_mode), status.st_size
    try:
        _write(descriptor, chunks, box.limit if regular else 0, before)
        if regular:
            os.fsync(descriptor)
    except OSError as error:
        if regular:
            os.ftruncate(descriptor, before)
        raise MailboxError(*_writing(error)) from None


def _lock(attempt: Callable[[], None], locks: LockRules) -> None:
    for left in range(locks.attempts - 1, -1, -1):
        try:
            return attempt()
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            if not left:
                text = error.strerror if isinstance(error.strerror, str) and error.strerror.startswith("unable") else ""
                why = text or "unable to lock for exclusive access: Resource temporarily unavailable"
                raise BlockingIOError(errno.EAGAIN, why) from None
        time.sleep(locks.delay)
    return None


@contextmanager
def _dotlock(path: str, locks: LockRules, now: Callable[[], float], *, required: bool) -> "Iterator[None]":
    """Hold `path.lock` meanwhile; one older than `stale` seconds is taken for left behind. Not `required`: go on without one where
    it cannot be made."""
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
            raise BlockingIOError(errno.EAGAIN, f"unable to create lock file {name}: File exists") from None

    try:
        _lock(attempt, locks)
    except BlockingIOError:
        raise
    except OSError as error:
        if required:
            raise MailboxError(*_opening(error, f"unable to create lock file {name}")) from None
        yield
        return
    try:
        yield
    finally:
        _remove(name)


# What a failed system call means for the message: (enhanced status code, diagnostic); for others 5.2.0 with a mailbox.
_MEANING = {
    errno.EAGAIN: ("4.2.0", ""),
    errno.ESTALE: ("4.2.0", ""),
    errno.ENOSPC: ("4.3.0", ""),
    errno.EDQUOT: ("5.2.2", "x-unix; input/output error"),
    errno.EFBIG: ("5.2.2", "x-unix; input/output error"),
}


def _opening(error: OSError, what: str = "cannot open file", default: str = "5.2.0") -> tuple[str, str, str]:
    return _MEANING.get(error.errno or 0, (default, ""))[0], f"{what}: {error.strerror}", ""


def _writing(error: OSError) -> tuple[str, str, str]:
    enhanced, diagnostic = _MEANING.get(error.errno or 0, ("4.3.0", ""))
    return enhanced, f"error writing message: {error.strerror}", diagnostic
