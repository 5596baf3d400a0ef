"""The rules of a scanner, and their compiled form on disk.

One file below data_directory holds what was made of the rule files last: the ruleset, and the databases of their patterns, each
as octets, with a digest of the files that they were made of. A scanner begins with what is there, even where the files have
changed since, and has it made anew beside it by a process of low priority; so nobody waits for a compiler. Where there is nothing
yet, it reads the files itself, and searches without databases, which is slower and as right.

The file is data: it is decoded into plain values, and the databases are handed to Hyperscan only behind the walls, since any
process of mail_owner may have written it.
"""

import fcntl
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

import gatepost
from gatepost.filter.match import compiled, prefilter
from gatepost.filter.match.compiled import Databases
from gatepost.filter.rules import reading, ruleset
from gatepost.filter.rules.ruleset import Ruleset
from gatepost.service import own_files
from gatepost.service.filter_folder import filter_folder
from gatepost.service.privileges import die_with_parent

_NAME: Final = "rules.cache"
_LOCK: Final = "rules.lock"
_SUFFIXES: Final = ("*.cf", "*.pre")
_MOST: Final = 1 << 28
"""Octets of the file."""


class Kept(Struct, frozen=True, array_like=True):
    """What the file holds. `digest`: of the rule files and of the code that read them."""

    digest: str
    ruleset: bytes
    databases: bytes


class Loaded(Struct, frozen=True):
    """What a scanner begins with. `stale`: something else is to be made of the rule files as they are now."""

    ruleset: Ruleset
    databases: bytes
    stale: bool

    def open(self) -> Databases | None:
        """The databases; None where there are none that this Hyperscan made."""
        try:
            databases = compiled.decoded(self.databases)
        except msgspec.MsgspecError:
            return None
        return databases if databases.made_by == prefilter.version() else None


def digest(files: Iterable[Path]) -> str:
    """Of the contents of these, and of the code that makes rules of them."""
    made = hashlib.sha256(f"{gatepost.__version__} {sys.version_info[:2]} {prefilter.version()}".encode())
    own = Path(reading.__file__).parent
    for file in sorted((*own.glob("*.py"), *Path(compiled.__file__).parent.glob("*.py"))):
        made.update(f"{file.name} {file.stat().st_mtime_ns}\n".encode())
    for path in files:
        made.update(f"{path}\n".encode())
        try:
            made.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError:
            continue  # whoever reads the rules tells
    return made.hexdigest()


def folders(directories: Sequence[str]) -> Sequence[Path]:
    """Those of filter_rules_directories, or what is installed."""
    return [Path(one) for one in directories] or reading.installed()


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """All rule files below these folders: also those that others include."""
    for path in paths:
        yield from sorted(file for suffix in _SUFFIXES for file in path.rglob(suffix))


def load(directories: Sequence[str], data_directory: str) -> Loaded:
    """What is there; where there is nothing, what the rule files say. What is wrong with them are faults of the ruleset."""
    paths = folders(directories)
    wanted = digest(files(paths))
    kept = _kept(filter_folder(data_directory) / _NAME)
    if kept is not None:
        try:
            return Loaded(ruleset.decoded(kept.ruleset), kept.databases, kept.digest != wanted)
        except msgspec.MsgspecError:
            pass  # of another version
    return Loaded(reading.read(paths, local=True), b"", True)


def _kept(path: Path) -> Kept | None:
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | own_files.OPENED)) as file:
            return msgspec.msgpack.decode(file.read(_MOST), type=Kept)
    except (OSError, msgspec.MsgspecError):
        return None


def make(directories: Sequence[str], data_directory: str) -> None:
    """Make the file anew, if that is still to be done; whoever else makes it is waited for. Raises OSError."""
    folder = filter_folder(data_directory)
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        lock = os.open(_LOCK, os.O_WRONLY | os.O_CREAT | own_files.OPENED, 0o600, dir_fd=descriptor)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            paths = folders(directories)
            wanted = digest(files(paths))
            kept = _kept(folder / _NAME)
            if kept is None or kept.digest != wanted:
                rules = reading.read(paths, local=True)
                databases = compiled.encoded(compiled.compiled(rules))
                own_files.put(descriptor, _NAME, msgspec.msgpack.encode(Kept(wanted, ruleset.encoded(rules), databases)))
        finally:
            os.close(lock)
    finally:
        os.close(descriptor)


def make_beside(directories: Sequence[str], data_directory: str, tell: Callable[[str], None]) -> int:
    """Have it made by a process of low priority, which ends with this one. Gives a descriptor that is readable once it has ended,
    with an octet where there is a new file. Raises OSError."""
    over, held = os.pipe()
    parent = os.getpid()
    if os.fork():
        os.close(held)
        return over
    try:
        os.close(over)
        die_with_parent(parent)
        _end_unread(held)
        os.nice(10)
        make(directories, data_directory)
        os.write(held, b".")
        os._exit(0)
    except Exception as error:  # whatever is wrong with them, the rules that are there go on
        tell(f"the compiled rules could not be made: {error}")
    os._exit(1)


def _end_unread(pipe: int) -> None:
    """Have the kernel end this process once nobody reads `pipe` any more, whatever it is at. A parent that has sealed itself off
    may send no signal, and so none comes of its death (landlock(7), scopes)."""
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)  # SIGIO
