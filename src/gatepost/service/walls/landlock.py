"""Landlock (landlock(7), Linux 5.19): a process gives up, for good, all files but those below the folders that it names.

Rights grow with the kernel: what an older one cannot forbid stays allowed. Rules are of folders, so that files renamed into them
later (by postmap, by log rotation) are seen.
"""

import ctypes
import os
import struct
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all architectures
_VERSION = 1  # flag of landlock_create_ruleset(2): which ABI is there
_PATH_BENEATH = 1
_RULESET = struct.Struct("QQQ")  # struct landlock_ruleset_attr: file system, network, scopes
_BENEATH = struct.Struct("=Qi")  # struct landlock_path_beneath_attr, packed: rights, descriptor

_READ_FILE, _READ_DIR, _WRITE_FILE = 1 << 2, 1 << 3, 1 << 1
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_FILE, _MAKE_SOCKET = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 9
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_FIRST = (1 << 14) - 1  # all rights of the second ABI
_SINCE = {3: _TRUNCATE}
_SCOPES = 1 << 0 | 1 << 1  # sockets without a file (abstract ones, unix(7)), signals
_SCOPES_SINCE = 6

_READ = _READ_FILE | _READ_DIR
_CHANGE = (
    _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_FILE | _MAKE_SOCKET | _REFER | _TRUNCATE
)  # no links, devices or named pipes
_OF_FILES = _READ_FILE | _WRITE_FILE | _TRUNCATE

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The ABI of the running kernel; 0 where it has no Landlock, has it switched off, or has the first one (before 5.19), under
    which no file moves from a folder to another."""
    abi = int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION))
    return abi if abi > 1 else 0


def restrict(read: Iterable[str], change: Iterable[str]) -> None:
    """Allow this process, and all that it starts, to read below `read`, to change files below `change`, and no other file; nor to
    signal processes outside, or to connect to sockets of theirs that have no file. What is not there, or out of reach already, is
    passed over. Needs no_new_privs. Raises OSError, also where the kernel has no Landlock."""
    abi = version()
    handled = _FIRST
    for since, right in _SINCE.items():
        handled |= right if abi >= since else 0
    rules = _RULESET.pack(handled, 0, _SCOPES if abi >= _SCOPES_SINCE else 0)
    ruleset = _call(_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), 0)
    try:
        for paths, rights in ((read, _READ), (change, _CHANGE)):
            for path in paths:
                _allow(ruleset, path, rights & handled)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(f"/proc/self/fd/{descriptor}"):
            rights &= _OF_FILES
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, _BENEATH.pack(rights, descriptor), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock: {os.strerror(error)}")
    return result
