"""What all formats give: members, each with a way to its octets where there is one."""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

Pieces = Callable[[], Iterator[bytes]]
"""The octets of a member, in pieces of bounded size, as far as somebody asks for them. Raises Damaged."""


_PIECE: Final = 262144


class Damaged(Exception):
    """It is not as its format wants it; what came before holds."""


class Encrypted(Exception):
    """Not even names can be read."""


class Overlapping(Exception):
    """Members share octets, which no honest archive has."""


class Member(Struct, frozen=True):
    """A file in an archive.

    names: as the archive calls it; several where it contradicts itself.
    size: unpacked, as the archive says; -1 where it does not.
    encrypted: nobody can look into it.
    pieces: its octets; None where they are of a compression that is not unpacked here.
    foreign: clamd does not unpack it either, so that it has to be given to it apart.
    inner: the format of its octets, where these do not say it.
    """

    names: tuple[bytes, ...]
    size: int = -1
    encrypted: bool = False
    pieces: Pieces | None = None
    foreign: bool = False
    inner: "Format | None" = None


Format = Callable[[bytes], Iterator[Member]]
"""The members of an archive. Raises Damaged, Encrypted and Overlapping, after what could be read."""


def stored(octets: bytes, at: int, size: int) -> Pieces:
    """The pieces of what lies in the archive as it is. Raises Damaged where it is not all there."""

    def pieces() -> Iterator[bytes]:
        if at < 0 or size < 0 or at + size > len(octets):
            raise Damaged
        for begin in range(at, at + size, _PIECE):
            yield octets[begin : min(begin + _PIECE, at + size)]

    return pieces
