"""Reading numbers from octets, one behind the other, never beyond their end."""

import re
from typing import Final

from gatepost.filter.archives.formats.member import Damaged

_DIGITS: Final = {8: re.compile(rb"[0-7]{1,22}"), 16: re.compile(rb"[0-9a-fA-F]{1,16}")}


def digits(field: bytes, base: int) -> int:
    """The number that octal (8) or hexadecimal (16) digits are, without a sign. Raises Damaged."""
    if not _DIGITS[base].fullmatch(field):
        raise Damaged
    return int(field, base)


class Cursor:
    """`at`: where the next one is read. Raises Damaged where there are too few octets."""

    __slots__ = ("at", "octets")

    def __init__(self, octets: bytes, at: int = 0) -> None:
        self.octets = octets
        self.at = at

    def take(self, count: int) -> bytes:
        """The next octets."""
        begin, self.at = self.at, self.at + count
        if count < 0 or begin < 0 or self.at > len(self.octets):
            raise Damaged
        return self.octets[begin : self.at]

    def byte(self) -> int:
        """The next octet."""
        return self.take(1)[0]

    def little(self, count: int) -> int:
        """A number of so many octets, the lowest first."""
        return int.from_bytes(self.take(count), "little")

    def text(self, most: int = 1024) -> bytes:
        """Octets up to a NUL."""
        end = self.octets.find(b"\0", self.at, self.at + most + 1)
        if end < 0:
            raise Damaged
        found = self.take(end - self.at)
        self.at += 1
        return found
