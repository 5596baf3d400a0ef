"""The walls around all processes that roles.py has behind them: what somebody who has taken one over still cannot do, whatever the
rights of mail_owner.

Files (Landlock): read below the system's folders, the installation, and the folders of all files that the configuration names;
change below data_directory and those folders of the queue that the role may change; nothing else. System calls (seccomp): no
program is run, no other process looked into. Memory: a limit for data (not for address space, of which LMDB and SQLite map much). A
kernel that lacks one of them has the others.
"""

import os
import re
import resource
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.tables import files_of_tables
from gatepost.lookup.server_parameters import file_settings
from gatepost.service.cyrus_sasl import NobodyLogsIn, options_of
from gatepost.service.privileges import gain_no_privileges
from gatepost.service.walls import deadline, landlock, seccomp

_OF_FOLDERS = ("_directory", "_base")
"""How names of parameters end whose values are folders, whether there are such folders yet or not."""
_OF_CERTIFICATES = ("CApath", "_ca_cert_dir")
"""How names of parameters end whose values are folders of certificates."""
_PATH = re.compile(r"(?:^|(?<=[\s,{:=!]))/[^\s,{}]+")


class WallSettings(Struct, frozen=True):
    """Parameters of the walls."""

    queue_directory: str
    data_directory: str
    worker_walls: bool
    worker_readable_directories: str
    worker_memory_limit: int


class Wall(Struct, frozen=True):
    """What a process may still do. `read`, `change`: paths of folders; `memory`: octets of data, 0 for any."""

    read: tuple[str, ...]
    change: tuple[str, ...]
    memory: int
    files_and_calls: bool


def planned(configuration: Configuration, changes: Iterable[str]) -> Wall:
    """The wall for this configuration, of what is there now, around a process that may change the folders `changes` of the queue.
    Raises ConfigurationError."""
    settings = configuration.view(WallSettings)
    queue = Path(settings.queue_directory)
    change = (*(str(queue / name) for name in changes), settings.data_directory, os.devnull)
    read = (
        *settings.worker_readable_directories.replace(",", " ").split(),
        *(path for path in (sys.prefix, sys.base_prefix, *sys.path) if path),
        str(configuration.directory),
        str(queue),
        *named_folders(configuration),
    )
    return Wall(tuple(dict.fromkeys(read)), change, settings.worker_memory_limit, settings.worker_walls)


def named_folders(configuration: Configuration) -> Iterator[str]:
    """The folders of all files that main.cf, master.cf, the files of tables (ldap:/etc/postfix/users.cf) and Cyrus SASL's file
    name: as written, and where links lead. A folder that is named itself, such as that of mailboxes, is not to be read, unless it
    holds certificates; nor are all folders that there are, for the sake of a file beside them or of what only looks like one (a
    pattern)."""
    for name, value in _and_of_tables(list(_values(configuration))):
        for path in _PATH.findall(value):
            if not (os.path.isdir(path) or name.endswith(_OF_FOLDERS)):
                yield from _folders_of(path)
            elif name.endswith(_OF_CERTIFICATES):
                yield path
    for file in _files_of_cyrus(configuration):
        yield from _folders_of(file)


def _files_of_cyrus(configuration: Configuration) -> Iterator[str]:
    """Cyrus SASL's file of each smtpd service, wherever `cyrus_sasl_config_path` has it, and the sasldb that it names."""
    for entry in configuration.services:
        if entry.program == "smtpd":
            with suppress(NobodyLogsIn, ConfigurationError):  # whoever builds the service tells
                options = options_of(configuration, entry.overrides)
                yield from (options.file, options.sasldb_path)


def _folders_of(file: str) -> Iterable[str]:
    return dict.fromkeys((_folder(file), _folder(os.path.realpath(file))))


def _folder(file: str) -> str:
    """Where a file lies; of one that lies in no folder, itself."""
    folder = os.path.dirname(file)
    return file if folder.strip("/") == "" else folder


def _values(configuration: Configuration) -> Iterator[tuple[str, str]]:
    """Each name that is set, and its value."""
    scopes = [(None, configuration.settings), *((entry.overrides, entry.overrides) for entry in configuration.services)]
    for overrides, names in scopes:
        for name in names:
            try:
                yield name, configuration.value(name, overrides)
            except (ConfigurationError, KeyError):
                continue  # whoever needs it tells


def _and_of_tables(values: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """These, and what stands in the files of the tables that they name, which may name further ones (memcache's `backup`). A file
    that cannot be read names nothing: whoever opens the table tells."""
    seen: set[str] = set()
    for name, value in values:
        yield name, value
        for file in files_of_tables(value):
            if file not in seen:
                seen.add(file)
                values += file_settings(file)  # the loop comes to them


def put_up(wall: Wall) -> None:
    """Give up everything beyond the wall, in this process and all that it starts, for good. In a process that has given its
    privileges up, before it reads anything of strangers. What the kernel lacks is passed over (`missing` tells). Raises OSError."""
    if wall.memory:
        resource.setrlimit(resource.RLIMIT_DATA, (wall.memory, wall.memory))
    if not wall.files_and_calls:
        return
    gain_no_privileges()
    if landlock.version():
        landlock.restrict(wall.read, wall.change)
    if seccomp.is_there():
        seccomp.forbid()


def seal(memory: int, seconds: float = 0.0) -> None:
    """The walls of a process that has all it needs, and computes: no file, no socket but those that it has open, no other process,
    `memory` octets of data at most (0: any); the kernel kills it after `seconds` (0: never), whatever it does. What the kernel
    lacks is passed over. Raises OSError."""
    if seconds:
        deadline.kill_after(seconds)
    if memory:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    gain_no_privileges()
    if landlock.version():
        landlock.restrict((), ())
    if seccomp.is_there():
        seccomp.only_compute()


def wanted(configuration: Configuration) -> bool:
    """Whether there are to be walls of files and calls."""
    return configuration.view(WallSettings).worker_walls


def missing(has_landlock: Callable[[], int] = landlock.version, has_seccomp: Callable[[], bool] = seccomp.is_there) -> list[str]:
    """What this machine has not, each with its consequence."""
    found = []
    if not has_landlock():
        found.append("the kernel has no Landlock: a worker that is taken over reads every file that mail_owner may read")
    if not has_seccomp():
        found.append(f"no {seccomp.LIBRARY}, or no seccomp in the kernel: a worker that is taken over may run programs")
    return found
