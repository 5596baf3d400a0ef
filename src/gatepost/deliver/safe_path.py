"""Directories by descriptor, reached over no symbolic link but those that root made: `/home` may be one, `Maildir` of a user may
not.

A path with such links is walked name by name, each opened in the directory before it, so that nobody can exchange a part of it on
the way; the kernel takes one without any in a single step. What the caller may not enter, it does not reach: the walk has the
file rights of its thread (service/agent/rights.py).
"""

import contextlib
import ctypes
import errno
import os
import stat

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ANYTHING = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40  # as the kernel allows


def open_directory(path: str, *, create: bool = False) -> int:
    """A descriptor of the directory `path` (absolute), good for names below it (O_PATH); `create`: what is missing is made, for its
    owner only. Raises OSError: ELOOP for a link that root did not make."""
    at_once = _without_links(path)
    if at_once >= 0:
        return at_once
    walk = _Walk(path, create)
    try:
        while walk.names:
            walk.step()
    except OSError as error:
        walk.close()
        raise OSError(error.errno, os.strerror(error.errno or 0), path) from None
    except BaseException:  # a NUL in a name
        walk.close()
        raise
    return walk.at


def first_not_of_root(path: str) -> int | None:
    """Who can change what `path` leads to: the owner of the first directory on the way that is not root's alone, 0 where that is a
    group or everybody. None where only root can. What is root's in a sticky directory of root (/tmp) is changed by nobody else; the
    file itself must not lie in one, for anybody may have linked it there. Raises OSError."""
    walk = _Walk(os.path.dirname(path), create=False)
    try:
        while True:
            status = os.fstat(walk.at)
            shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            if status.st_uid or (shared and not (status.st_mode & stat.S_ISVTX and walk.names)):
                return status.st_uid
            if not walk.names:
                return None
            walk.step()
    finally:
        walk.close()


class _How(ctypes.Structure):
    """struct open_how of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_SYS_OPENAT2 = 437  # on every architecture
_RESOLVE_NO_SYMLINKS = 0x04
_HOW = _How(_DIRECTORY, 0, _RESOLVE_NO_SYMLINKS)
_syscall = ctypes.CDLL(None).syscall


def _without_links(path: str) -> int:
    """The directory in one step, where it is there and no link at all is on the way: most often. Else, or where the kernel has no
    openat2(2), negative. Raises ValueError for a name with a NUL."""
    octets = os.fsencode(path)
    if b"\0" in octets:
        raise ValueError("embedded null byte")
    return int(_syscall(_SYS_OPENAT2, -1, octets, ctypes.byref(_HOW), ctypes.sizeof(_HOW)))


class _Walk:
    """Where a walk has got to (`at`, a descriptor), and the names that are left, the next one last."""

    def __init__(self, path: str, create: bool) -> None:
        self.names = path.split("/")[::-1]
        self.at = os.open("/", _DIRECTORY)
        self._create = create
        self._links = 0

    def close(self) -> None:
        os.close(self.at)

    def step(self) -> None:
        """Take the next name. Raises OSError."""
        name = self.names.pop()
        if not name:
            return
        try:
            self._enter(name)
        except NotADirectoryError:
            self._follow(name)
        except FileNotFoundError:
            if not self._create:
                raise
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=self.at)
                sync_directory(self.at)
            self._enter(name)

    def _enter(self, name: str) -> None:
        below = os.open(name, _DIRECTORY, dir_fd=self.at)
        os.close(self.at)
        self.at = below

    def _follow(self, name: str) -> None:
        """What is no directory may be a link of root's."""
        link = os.open(name, _ANYTHING, dir_fd=self.at)
        try:
            status = os.fstat(link)
            if not stat.S_ISLNK(status.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            self._links += 1
            if status.st_uid != 0 or self._links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            target = os.readlink("", dir_fd=link)
        finally:
            os.close(link)
        if target.startswith("/"):
            self._enter("/")
        self.names.extend(target.split("/")[::-1])


def sync_directory(descriptor: int) -> None:
    """What was made or renamed in a directory is durable once the directory is. One that we may write to and not read cannot be
    synced by us; the system does it within seconds."""
    with contextlib.suppress(PermissionError):
        readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor)
        try:
            os.fsync(readable)
        finally:
            os.close(readable)
