"""Writing to mailboxes, as the user who owns them: what Maildir and mbox files (mbox.py) share, and Maildir. Plain blocking
functions, which the agent process calls.

Contract: the message is complete and on stable storage when a function returns, or the mailbox is as it was before. Directories are
opened once and names taken in them (safe_path.py), so that nobody leads a delivery elsewhere by a link. After `until` (seconds of
the monotonic clock) nothing is delivered any more: whoever asked has given up, and will ask again.
Failure: MailboxError, with the words and status code that Postfix's local(8) and virtual(8) report after a prefix of their own.
"""

import contextlib
import errno
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from msgspec import Struct

from gatepost.deliver.safe_path import open_directory, sync_directory

Chunks = Iterable[bytes]
NEVER = float("inf")


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


class Mailbox(Struct, frozen=True, omit_defaults=True):
    """Where to write: `path` of the Maildir (ends in /) or mbox file, owned by `uid`:`gid`; `limit` octets, 0 for none.
    `strict_ownership`: refuse an mbox that belongs to somebody else (strict_mailbox_ownership). `privileged`: the directory of an
    mbox is one that only root may write to, so the file is created by root, and given to its user. `forward`: the .forward file
    that names it; empty where the configuration or an alias does. `unopened`: the enhanced status code where it cannot be opened:
    local(8) returns such mail, virtual(8) tries again."""

    path: str
    uid: int
    gid: int
    limit: int = 0
    strict_ownership: bool = True
    privileged: bool = False
    forward: str = ""
    unopened: str = "5.2.0"


class Arrival:
    """A message on its way into a Maildir: `write`, `sync`, `show`, then `settle`. Messages that take a step together wait for the
    disk together. Each step raises MailboxError, and then nothing is left in the Maildir; `close` comes last, however it ended."""

    __slots__ = ("_chunks", "_file", "_folders", "_name", "_until", "_where", "box")

    def __init__(self, box: Mailbox, chunks: Chunks, now: float, until: float = NEVER) -> None:
        self.box = box
        self._chunks = chunks
        self._until = until
        self._name = f"{int(now)}.{{}}M{int(now % 1 * 1e6)}.{socket.gethostname()}"
        self._where = "tmp", self._name.format(f"P{os.getpid()}R{os.urandom(4).hex()}")
        self._folders: dict[str, int] = {}
        self._file = -1

    def write(self) -> None:
        """Write to `tmp/`, and send the octets on their way to the disk."""
        folder, name = self._where
        try:
            self._folders = _open_maildir(self.box.path)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.open(name, flags, 0o600, dir_fd=self._folders[folder])
        except OSError as error:
            what = f"create maildir file {self.box.path}{folder}/{name}"
            raise MailboxError(*opening(error, self.box.unopened, what)) from None
        with self._undone():
            write_all(self._file, self._chunks, self.box.limit, 0)
            os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_DONTNEED)  # Linux: begins to write, and waits for nothing

    def sync(self) -> None:
        """Wait until the disk has them."""
        with self._undone():
            os.fsync(self._file)

    def device(self) -> int:
        """The file system that it is on, once it is written."""
        return os.fstat(self._file).st_dev

    def show(self) -> None:
        """Move to `new/` (Maildir's own protocol)."""
        with self._undone():
            status = os.fstat(self._file)
            (folder, name), shown = self._where, ("new", self._name.format(f"V{status.st_dev:x}I{status.st_ino:x}"))
            check_time(self._until)
            os.rename(name, shown[1], src_dir_fd=self._folders[folder], dst_dir_fd=self._folders["new"])
            self._where = shown

    def settle(self) -> None:
        """A rename is durable once its directory is; without this a power cut could take the delivered message back. One of those
        that were shown in the same Maildir does it for all."""
        with self._undone():
            os.fsync(self._folders["new"])

    def take_back(self) -> None:
        """Leave nothing behind."""
        folder, name = self._where
        if folder in self._folders:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._folders[folder])

    def close(self) -> None:
        """Let go of file and folders."""
        descriptors, self._file, self._folders = (self._file, *self._folders.values()), -1, {}
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Leave nothing behind where this fails."""
        try:
            yield
        except BaseException as error:
            self.take_back()
            if isinstance(error, OSError):
                raise MailboxError(*writing(error)) from None
            raise


def deliver_to_maildir(box: Mailbox, chunks: Chunks, now: Callable[[], float], until: float = NEVER) -> None:
    """Deliver one message. Raises MailboxError."""
    arrival = Arrival(box, chunks, now(), until)
    try:
        for step in (arrival.write, arrival.sync, arrival.show, arrival.settle):
            step()
    finally:
        arrival.close()


_FOLDERS = ("tmp", "new", "cur")


def _open_maildir(path: str) -> dict[str, int]:
    """Descriptors of `tmp` and `new`; what is missing of the Maildir is made. Raises OSError."""
    maildir = open_directory(path, create=True)
    opened: dict[str, int] = {}
    try:
        for name in _FOLDERS[:2]:
            opened[name] = _open_folder(name, maildir)
    except FileNotFoundError:
        for name in _FOLDERS:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=maildir)
        sync_directory(maildir)
        opened |= {name: _open_folder(name, maildir) for name in _FOLDERS[:2] if name not in opened}
    finally:
        os.close(maildir)
        if len(opened) < 2:
            for descriptor in opened.values():
                os.close(descriptor)
    return opened


def _open_folder(name: str, maildir: int) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=maildir)


def check_time(until: float) -> None:
    """Raises MailboxError where the time is over."""
    if time.monotonic() > until:
        raise MailboxError("4.3.0", "mail system agent: the file system took too long")


def write_all(descriptor: int, chunks: Chunks, limit: int, already: int) -> int:
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


# What a failed system call means for the message: (enhanced status code, diagnostic).
_MEANING = {
    errno.EAGAIN: ("4.2.0", ""),
    errno.ESTALE: ("4.2.0", ""),
    errno.ELOOP: ("4.2.0", ""),  # a symbolic link, which we do not follow: it may be on its way to be something else
    errno.ENOSPC: ("4.3.0", ""),
    errno.EDQUOT: ("5.2.2", "x-unix; input/output error"),
    errno.EFBIG: ("5.2.2", "x-unix; input/output error"),
}


def opening(error: OSError, default: str, what: str = "cannot open file") -> tuple[str, str, str]:
    """What a MailboxError says of a file that could not be opened. `default`: its status for most errors."""
    return _MEANING.get(error.errno or 0, (default, ""))[0], f"{what}: {error.strerror}", ""


def writing(error: OSError) -> tuple[str, str, str]:
    """What it says of one that could not be written."""
    enhanced, diagnostic = _MEANING.get(error.errno or 0, ("4.3.0", ""))
    return enhanced, f"error writing message: {error.strerror}", diagnostic
