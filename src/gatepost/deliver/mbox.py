"""Writing to mbox files, as mailbox.py says: locked, appended to, synced; as they were before where anything fails."""

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from gatepost.deliver.mailbox import NEVER, Chunks, LockRules, Mailbox, MailboxError, check_time, opening, write_all, writing
from gatepost.deliver.safe_path import open_directory, sync_directory

AsOwner = Callable[[], AbstractContextManager[None]]
"""Takes the file rights of the mailbox's user for a while, where we have root's."""

_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


def deliver_to_mbox(
    box: Mailbox,
    chunks: Chunks,
    locks: LockRules,
    now: Callable[[], float],
    *,
    listed: bool = False,
    until: float = NEVER,
    as_owner: AsOwner = nullcontext,
) -> None:
    """Append one message (whose chunks begin with the `From ` line and end with an empty line). `listed`: a file that a list of
    recipients names: it may be a device, need not have a lock file, and must not be executable. Raises MailboxError."""
    parent, name = os.path.split(box.path)
    try:
        folder = open_directory(parent)
    except OSError as error:
        raise MailboxError(*_unreachable(error, box, locked=not listed and "dotlock" in locks.methods)) from None
    try:
        with _dotlock(folder, f"{name}.lock", box, locks, now, required=not listed):
            descriptor = _open(box, folder, name, as_owner)
            try:
                _check(descriptor, box, listed=listed)
                _append(descriptor, box, chunks, locks, until)
            finally:
                os.close(descriptor)
    except BlockingIOError as error:
        raise MailboxError("4.2.0", error.strerror or "") from None
    finally:
        os.close(folder)


def _unreachable(error: OSError, box: Mailbox, *, locked: bool) -> tuple[str, str, str]:
    """The folder of the file cannot be entered: what fails is the first thing that is done in it."""
    if locked:
        return opening(error, box.unopened, _no_lock(box))
    missing = error.errno == errno.ENOENT
    return opening(error, box.unopened, "cannot create file exclusively" if missing else "cannot open file")


def _no_lock(box: Mailbox) -> str:
    return f"unable to create lock file {box.path}.lock"


def _open(box: Mailbox, folder: int, name: str, as_owner: AsOwner) -> int:
    """Open an mbox for appending, never through a symbolic link; one that is created belongs to the user of the mailbox."""
    try:
        with as_owner():
            return os.open(name, _APPEND, dir_fd=folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise MailboxError(*opening(error, box.unopened)) from None
    try:
        descriptor = os.open(name, _APPEND | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
    except OSError as error:
        raise MailboxError(*opening(error, box.unopened, "cannot create file exclusively")) from None
    if box.privileged:
        os.fchown(descriptor, box.uid, box.gid)
    sync_directory(folder)
    return descriptor


def _check(descriptor: int, box: Mailbox, *, listed: bool) -> None:
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


def _append(descriptor: int, box: Mailbox, chunks: Chunks, locks: LockRules, until: float) -> None:
    if "fcntl" in locks.methods:
        _lock(lambda: fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB), locks)
    if "flock" in locks.methods:
        _lock(lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB), locks)
    status = os.fstat(descriptor)
    regular, before = stat.S_ISREG(status.st_mode), status.st_size
    try:
        write_all(descriptor, chunks, box.limit if regular else 0, before)
        if regular:
            os.fsync(descriptor)
            check_time(until)
    except BaseException as error:  # also where the rest of the message does not come: half of one must not stay
        if regular:
            os.ftruncate(descriptor, before)
        if isinstance(error, OSError):
            raise MailboxError(*writing(error)) from None
        raise


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
def _dotlock(folder: int, name: str, box: Mailbox, locks: LockRules, now: Callable[[], float], *, required: bool) -> Iterator[None]:
    """Hold the lock file `name` meanwhile. Not `required`: go on without one where it cannot be made.

    We lock our lock file itself, too (flock): one that is old but still held is nobody's to break."""
    if "dotlock" not in locks.methods:
        yield
        return
    held: list[int] = []

    def attempt() -> None:
        try:
            held.append(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400, dir_fd=folder))
        except FileExistsError:
            _break_stale(folder, name, now() - locks.stale)
            raise BlockingIOError(errno.EAGAIN, f"{_no_lock(box)}: File exists") from None
        fcntl.flock(held[0], fcntl.LOCK_EX)

    try:
        _lock(attempt, locks)
    except BlockingIOError:
        raise
    except OSError as error:
        if required:
            raise MailboxError(*opening(error, box.unopened, _no_lock(box))) from None
    try:
        yield
    finally:
        for descriptor in held:
            _unlink_ours(folder, name, descriptor)
            os.close(descriptor)


def _break_stale(folder: int, name: str, before: float) -> None:
    """Remove a lock file that was made before that time and is not held: once, whoever else wants to break the same."""
    with contextlib.suppress(OSError):  # gone already, another user's, or held
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=folder)
        try:
            if os.fstat(descriptor).st_mtime < before:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _unlink_ours(folder, name, descriptor)
        finally:
            os.close(descriptor)


def _unlink_ours(folder: int, name: str, descriptor: int) -> None:
    """Remove `name` if it is still the file that we have locked: then nobody who plays by these rules can exchange it meanwhile."""
    with contextlib.suppress(OSError):
        if os.path.samestat(os.fstat(descriptor), os.stat(name, dir_fd=folder, follow_symlinks=False)):
            os.unlink(name, dir_fd=folder)
