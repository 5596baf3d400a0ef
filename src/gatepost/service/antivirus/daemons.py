"""Which programs of ClamAV are to run, and how, by their own configuration files, which are used as they are.

Each is run as the user that its file names, never as root; what it does with its files, sockets and signatures is its own.
"""

import hashlib
import os
import pwd
import shutil
import stat
from pathlib import Path
from typing import Final

from msgspec import Struct

from gatepost.filter.antivirus.clamav_files import parse

_PATH: Final = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
_USER: Final = "clamav"
"""Who they are where their files say nothing, as ClamAV has it."""
_MOST_OCTETS: Final = 1 << 20
_PLACES: Final = ("localsocket", "pidfile")
"""Options that name a file in a folder of its own, as a rule below /run."""


class SuperviseSettings(Struct, frozen=True):
    """filter_supervise and the files of those that it names."""

    filter_supervise: tuple[str, ...]
    filter_clamd_config_file: str
    filter_freshclam_config_file: str
    queue_directory: str


class DaemonFault(Exception):
    """A program cannot be started as things are; the text says why, and what to do."""


class Daemon(Struct, frozen=True):
    """A program to be kept running. `uid`, `gid`: as whom. `digest`: of all that it is started with; one that was started with
    something else is ended, and begun anew; `places`: folders that it needs, which may be gone after a start of the system."""

    name: str
    argv: tuple[str, ...]
    uid: int
    gid: int
    digest: str
    places: tuple[str, ...]


def daemon(name: str, settings: SuperviseSettings) -> Daemon:
    """What `clamd` or `freshclam` is started as. Raises DaemonFault."""
    file, user, options = {
        "clamd": (settings.filter_clamd_config_file, "user", ("--foreground",)),
        "freshclam": (settings.filter_freshclam_config_file, "databaseowner", ("--daemon", "--foreground", "--stdout")),
    }[name]
    text = _text(name, file)
    own = parse(text)
    program = shutil.which(name, path=_PATH)
    if program is None:
        raise DaemonFault(f"there is no program {name}: install Debian's clamav-{'daemon' if name == 'clamd' else name}")
    uid, gid = _ids(own.get(user, _USER), file)
    argv = (program, *options, f"--config-file={file}")
    digest = hashlib.sha256("\0".join((*argv, str(uid), str(gid), text)).encode("utf-8", "surrogateescape")).hexdigest()
    places = tuple(os.path.dirname(own[option]) for option in _PLACES if option in own)
    return Daemon(name, argv, uid, gid, digest, places)


def _text(name: str, file: str) -> str:
    try:
        with open(file, "rb") as opened:
            return opened.read(_MOST_OCTETS).decode("utf-8", "surrogateescape")
    except OSError as error:
        raise DaemonFault(f"filter_{name}_config_file: {file}: {error.strerror}") from None


def _ids(user: str, file: str) -> tuple[int, int]:
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise DaemonFault(f"{file}: there is no user {user}") from None
    if account.pw_uid == 0 and os.getuid() == 0:
        raise DaemonFault(f"{file}: it is not run as root: name another user there")
    if os.getuid() not in (0, account.pw_uid):
        raise DaemonFault(f"{file}: it is to run as {user}: Gatepost was not started by root")
    return account.pw_uid, account.pw_gid


def make_places(daemon: Daemon) -> None:
    """Make the folders that it needs, where they are missing from one of root's in which nobody else can change anything. Raises
    OSError."""
    for place in daemon.places:
        folder = Path(os.path.realpath(place))
        above = folder.parent.stat() if folder.parent.is_dir() else None
        if folder.exists() or above is None or above.st_uid or above.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            continue
        folder.mkdir(0o755)
        os.chown(folder, daemon.uid, daemon.gid)
