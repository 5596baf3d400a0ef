"""The system's users and groups, asked of the C library itself: unlike the modules `pwd` and `grp`, it tells an account that
does not exist from a database that cannot answer (getpwnam(3)), and mail must be refused for the first only."""

import ctypes
import errno
from collections.abc import Callable

from msgspec import Struct

_libc = ctypes.CDLL(None)  # its calls let other threads run
_LARGEST = 1 << 22  # octets of an entry

# What getpwnam(3) lists as other words for "not found".
_NOT_FOUND = frozenset((0, errno.ENOENT, errno.ESRCH, errno.EBADF, errno.EPERM))


class User(Struct, frozen=True):
    """An entry of passwd(5)."""

    name: str
    password: str
    uid: int
    gid: int
    gecos: str
    home: str
    shell: str


class Group(Struct, frozen=True):
    """An entry of group(5)."""

    name: str
    password: str
    gid: int
    members: tuple[str, ...]


class _Passwd(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p), ("password", ctypes.c_char_p), ("uid", ctypes.c_uint32), ("gid", ctypes.c_uint32),
        ("gecos", ctypes.c_char_p), ("home", ctypes.c_char_p), ("shell", ctypes.c_char_p),
    )  # fmt: skip


class _Group(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p), ("password", ctypes.c_char_p), ("gid", ctypes.c_uint32),
        ("members", ctypes.POINTER(ctypes.c_char_p)),
    )  # fmt: skip


def user_named(name: str) -> User | None:
    """The user of that name. Raises OSError where the database cannot answer."""
    return _user(_libc.getpwnam_r, _name(name))


def user_with_id(uid: int) -> User | None:
    """The user with that id. Raises OSError."""
    return _user(_libc.getpwuid_r, ctypes.c_uint32(uid)) if 0 <= uid < 1 << 32 else None


def group_named(name: str) -> Group | None:
    """The group of that name. Raises OSError."""
    wanted, entry = _name(name), _Group()
    kept = _found(_libc.getgrnam_r, wanted, entry) if wanted else None
    if kept is None:
        return None
    members: list[str] = []
    while entry.members and (member := entry.members[len(members)]) is not None:
        members.append(_text(member))
    return Group(_text(entry.name), _text(entry.password), entry.gid, tuple(members))


def _user(function: Callable[..., int], key: ctypes.c_char_p | ctypes.c_uint32 | None) -> User | None:
    entry = _Passwd()
    kept = _found(function, key, entry) if key is not None else None
    if kept is None:
        return None
    return User(
        _text(entry.name), _text(entry.password), entry.uid, entry.gid, _text(entry.gecos), _text(entry.home), _text(entry.shell)
    )


def _found(function: Callable[..., int], key: object, entry: ctypes.Structure) -> object | None:
    """Fill `entry`; the memory that it points to, for as long as that is used, or None where there is no such entry."""
    size = 1024
    while size <= _LARGEST:
        memory, found = ctypes.create_string_buffer(size), ctypes.c_void_p()
        status = function(key, ctypes.byref(entry), memory, ctypes.c_size_t(size), ctypes.byref(found))
        if found.value:
            return memory
        if status in _NOT_FOUND:
            return None
        if status not in (errno.ERANGE, errno.EINTR):
            raise OSError(status, f"account database: {errno.errorcode.get(status, status)}")
        size *= 4 if status == errno.ERANGE else 1
    raise OSError(errno.ERANGE, "account database: an entry without end")


def _name(name: str) -> ctypes.c_char_p | None:
    """A name as the C library takes it; None for what no account can be called."""
    try:
        octets = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None
    return None if b"\0" in octets or not octets else ctypes.c_char_p(octets)


def _text(octets: bytes | None) -> str:
    return (octets or b"").decode("utf-8", "surrogateescape")
