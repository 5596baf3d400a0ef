"""What the pattern engines have in common: what is matched, what a match is, and how one says that it cannot tell.

A pattern is matched against octets. Where it has been asked for too much, an engine gives up instead of holding its process."""

from collections.abc import Sequence
from ctypes import c_size_t
from typing import Protocol

from msgspec import Struct

Groups = tuple[bytes, ...]
"""What a match holds: the octets of the whole and of each group, empty for a group that took no part. `()` where nobody asked."""


class Subject:
    """A key as patterns see it. `size`: its octets; `length`: the same as C has it, made once for all patterns of a table."""

    __slots__ = ("length", "octets", "size")

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.size = len(octets)
        self.length = c_size_t(self.size)


class Unanswered(Exception):
    """Whether the pattern matches is not known, for the reason that the message gives. As in Postfix, it then finds nothing.
    `seconds`: what another process spent on it."""

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


class TooMuch(Exception):
    """A search has had its share of work; a thorough one may go on."""


class Recipe(Struct, frozen=True):
    """What another process needs to search instead: a POSIX expression, its flags, and whether a match has to tell its groups.
    `endless`: a search may never end; else it takes its time, but does."""

    pattern: bytes
    flags: int
    captures: bool
    endless: bool


class Expression(Protocol):
    """A compiled pattern of one engine.

    `groups`: how many it has. `starts`: its matches may begin anywhere, and each beginning can be tried apart.
    """

    groups: int
    starts: bool

    def search(self, subject: Subject) -> Groups | None:
        """The first match. Raises Unanswered; TooMuch where it takes more than a little work."""
        ...

    def search_between(self, subject: Subject, start: int, count: int, *, thorough: bool) -> Groups | None:
        """The first match that begins at one of `count` offsets from `start` on. Raises Unanswered; TooMuch unless `thorough`."""
        ...

    def apart(self, subject: Subject) -> Recipe | None:
        """Where a search may take so long that this process must not do it; else None."""
        ...


def cut(octets: bytes, offsets: Sequence[int]) -> Groups:
    """What stands between each two of `offsets`; a group that took no part has the same for both, whatever it is."""
    return tuple(octets[start:end] for start, end in zip(offsets[::2], offsets[1::2], strict=True))
