"""Files that only root may read: their contents are taken while there are still the rights to, and stand for them since.

For smtp_sasl_password_maps, which Postfix's smtp(8) opens before it gives up its rights, and for the parameters of
smtpd_auth_backends. Whoever may still read the former puts what they hold once they have changed.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

_LARGEST: Final = 64 << 20
"""Octets of a file that is taken."""

Identity = tuple[int, int, int]
"""What differs once a file has changed: device, inode, time of the last change in nanoseconds."""


class _Taken(Struct, frozen=True):
    identity: Identity
    octets: bytes


_TAKEN: dict[str, _Taken] = {}
"""By pathname. Of the whole process, as its rights are."""


def identity_of(status: os.stat_result) -> Identity:
    """Of a file, by its status."""
    return status.st_dev, status.st_ino, status.st_mtime_ns


def take(paths: Iterable[str]) -> None:
    """Take those among the files that others may not read; one that cannot be taken is read, and complained of, when it is
    used. To be called with root's rights."""
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError:
            continue
        try:
            facts = os.fstat(descriptor)
            if stat.S_ISREG(facts.st_mode) and not facts.st_mode & stat.S_IROTH and facts.st_size <= _LARGEST:
                with open(descriptor, "rb", closefd=False) as file:
                    _TAKEN[path] = _Taken(identity_of(facts), file.read())
        finally:
            os.close(descriptor)


def put(path: str, identity: Identity, octets: bytes) -> None:
    """The contents of a file that has become another, as somebody with the rights to has read them."""
    _TAKEN[path] = _Taken(identity, octets)


def contents(path: str) -> bytes | None:
    """What was taken of a file; None: nothing was."""
    taken = _TAKEN.get(path)
    return None if taken is None else taken.octets


def identity(path: str) -> Identity | None:
    """Of the file as it was when it was taken; None: nothing was."""
    taken = _TAKEN.get(path)
    return None if taken is None else taken.identity


def changed(paths: Iterable[str]) -> Iterator[tuple[str, Identity]]:
    """Those of the files that are others by now than what was taken, or that are new and cannot be read, and which they are."""
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue
        taken, now = identity(path), identity_of(status)
        if stat.S_ISREG(status.st_mode) and taken != now and (taken is not None or not os.access(path, os.R_OK)):
            yield path, now
