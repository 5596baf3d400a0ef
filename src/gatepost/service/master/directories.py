"""The directories of a mail system: made where they are missing, judged where they are there, never taken from anybody.

Where root starts it, whoever has taken a worker over acts in every folder of `mail_owner`, and must not become root by what the
next start does there. So root makes files only in folders that are root's alone (`pid`, `gatepost`, `acme`), found by descriptors
that follow no link; what belongs in mail_owner's folders it makes as mail_owner (privileges.acting_as). What exists keeps owner and
mode: a wrong one is told with what would be right, and where others could change what we rely on, the start is refused.
"""

import contextlib
import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from gatepost.service.path_owners import way, weakest
from gatepost.service.privileges import acting_as
from gatepost.service.settings import MasterSettings
from gatepost.state.state_file import FOLDER

OWN = "gatepost"
"""The folder of our own sockets in the queue directory."""
PID = "pid"
ACME = "acme"
"""The folder of what ACME keeps: the account's key, the certificate with its key, and what was tried."""

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class UnsafeDirectory(Exception):
    """Somebody could change what is relied on; the text names file, wanted owner or mode, and the remedy."""


class Complaint(Struct, frozen=True):
    """What is wrong with the owner or mode of `file`. `grave`: the mail system does not start."""

    file: Path
    text: str
    remedy: str
    grave: bool = True

    def __str__(self) -> str:
        return f"{self.file}: {self.text} ({self.remedy})"


class _Folder(Struct, frozen=True):
    """A folder under queue_directory, made with `mode`. `owned`: by mail_owner, else by whoever starts the mail system; `secret`:
    nobody else should be able to read it."""

    name: str
    mode: int
    owned: bool = True
    secret: bool = False


# maildrop takes submissions of every local user: anybody may add a file, nobody may list or change those of others.
_QUEUE = (
    _Folder(PID, 0o755, owned=False),
    _Folder(OWN, 0o755, owned=False),
    _Folder(ACME, 0o700, owned=False, secret=True),
    _Folder("store", 0o700, secret=True),
    _Folder("corrupt", 0o700, secret=True),
    _Folder("private", 0o700),
    _Folder("public", 0o755),
    _Folder("maildrop", 0o1733),
)
_DATA_MODE = 0o700


def create_missing(settings: MasterSettings) -> None:
    """Make what is missing under `queue_directory` and `data_directory`. Raises UnsafeDirectory where what is there cannot be
    relied on, OSError, KeyError for an unknown owner."""
    if grave := [str(one) for one in complaints(settings) if one.grave]:
        raise UnsafeDirectory("\n".join(grave))
    owner = _owner(settings)
    before = os.umask(0)
    try:
        queue, data = Path(settings.queue_directory), Path(settings.data_directory)
        _make_way(queue)
        with _folder(queue) as descriptor:
            for one in _QUEUE:
                _make(descriptor, one.name, one.mode, owner if one.owned else None)
        _make_way(data.parent)
        with _folder(data.parent) as descriptor:
            _make(descriptor, data.name, _DATA_MODE, owner)
    finally:
        os.umask(before)


@contextlib.contextmanager
def own_folder(queue_directory: Path, name: str) -> Iterator[int]:
    """A descriptor of the folder `name` (PID, OWN, ACME) of a queue directory, in which nobody can change anything but who starts
    the mail system. Raises UnsafeDirectory where that does not hold, OSError."""
    path = queue_directory / name
    with _folder(path, os.O_NOFOLLOW) as descriptor:
        for complaint in _judged(path, os.fstat(descriptor), {os.geteuid()}):
            raise UnsafeDirectory(str(complaint))
        yield descriptor


def complaints(settings: MasterSettings) -> Iterator[Complaint]:
    """Everything that is wrong with owners and modes of what is there. Only root has owners to tell apart. Raises KeyError for an
    unknown mail_owner."""
    owner = _owner(settings)
    if owner is None:
        return
    queue, data = Path(settings.queue_directory), Path(settings.data_directory)
    for path, parameter in ((queue, "queue_directory"), (data, "data_directory")):
        for folder in way(path):
            yield from _complaints(folder, {0, owner.pw_uid}, f"choose another {parameter}")
    yield from _complaints(queue, {0, owner.pw_uid}, "choose another queue_directory")
    for one in _QUEUE:
        yield from _complaints(queue / one.name, {owner.pw_uid if one.owned else 0}, links=one.owned, secret=one.secret)
    yield from _complaints(data, {owner.pw_uid})
    yield from _of_files(queue / "store", ("*", "*/queue.sqlite*", "*/lock"), owner.pw_uid)
    yield from _of_files(data, (FOLDER, f"{FOLDER}/*"), owner.pw_uid)


def _of_files(folder: Path, patterns: Iterable[str], uid: int) -> Iterator[Complaint]:
    """Databases of somebody else, such as root's tools made before they became mail_owner: their mail would wait for ever, and
    nothing be remembered."""
    with contextlib.suppress(OSError):
        for path in (path for pattern in patterns for path in folder.glob(pattern)):
            for complaint in _complaints(path, {uid}, links=False):
                yield replace(complaint, grave=False)


def _complaints(
    path: Path, owners: set[int], otherwise: str = "", *, links: bool = True, secret: bool = False
) -> Iterator[Complaint]:
    try:
        status = path.stat(follow_symlinks=links)
    except OSError:
        return  # missing: it is going to be made, or whoever needs it tells
    yield from _judged(path, status, owners, otherwise)
    if secret and status.st_mode & stat.S_IRWXO:
        yield Complaint(path, "others may read it", f"chmod o= {path}", grave=False)


def _judged(path: Path, status: os.stat_result, owners: set[int], otherwise: str = "") -> Iterator[Complaint]:
    """What is wrong with a file that is to belong to one of `owners` (user ids) and to be theirs to change alone."""
    alternative = f", or {otherwise}" if otherwise else ""
    if status.st_uid not in owners:
        wanted = " or ".join(map(_name, sorted(owners)))
        remedy = f"chown -h {_name(min(owners))} {path}{alternative}"
        yield Complaint(path, f"belongs to {_name(status.st_uid)}, wanted: {wanted}", remedy)
    if stat.S_ISDIR(status.st_mode) and status.st_mode & _OTHERS_WRITE and not status.st_mode & stat.S_ISVTX:
        yield Complaint(path, f"others than {_name(status.st_uid)} may change it", f"chmod go-w {path}{alternative}")


def _owner(settings: MasterSettings) -> pwd.struct_passwd | None:
    """mail_owner where we may give files away, else None. Raises KeyError."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(settings.mail_owner)
    except KeyError:
        raise KeyError(f"mail_owner = {settings.mail_owner}: there is no such user; name an existing one in main.cf") from None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


@contextlib.contextmanager
def _folder(path: Path, flags: int = 0) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _make_way(path: Path) -> None:
    """Make `path` and the folders on the way to it, as whoever could change where they come to stand. With a umask of 0."""
    for folder in (*reversed(path.parents), path):
        with contextlib.suppress(FileExistsError), acting_as(*weakest(folder)):
            folder.mkdir(0o755)


def _make(parent: int, name: str, mode: int, owner: pwd.struct_passwd | None) -> None:
    """Make the folder `name` in an open one, for `owner` or ourselves. One that exists stays what it is."""
    theirs = owner is not None and os.fstat(parent).st_uid == owner.pw_uid
    with contextlib.suppress(FileExistsError):
        if owner is None:
            os.mkdir(name, mode, dir_fd=parent)
        elif theirs:  # who could put another one in its place before we give it away
            with acting_as(owner.pw_uid, owner.pw_gid):
                os.mkdir(name, mode, dir_fd=parent)
        else:
            os.mkdir(name, mode, dir_fd=parent)
            made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            os.fchown(made, owner.pw_uid, owner.pw_gid)
            os.close(made)
