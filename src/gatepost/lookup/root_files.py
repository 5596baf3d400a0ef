"""Files that only root may read: their contents are taken while there are still the rights to, and stand for them since.

For smtp_sasl_password_maps, which Postfix's smtp(8) opens before it gives up its rights. A change takes effect at a reload.
"""

import os
import stat
from collections.abc import Iterable
from typing import Final

_LARGEST: Final = 64 << 20
"""Octets of a file that is taken."""

_TAKEN: dict[str, bytes] = {}
"""By pathname. Of the whole process, as its rights are."""


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
                    _TAKEN[path] = file.read()
        finally:
            os.close(descriptor)


def contents(path: str) -> bytes | None:
    """What was taken of a file; None: nothing was."""
    return _TAKEN.get(path)
