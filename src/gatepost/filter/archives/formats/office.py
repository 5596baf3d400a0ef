"""Containers of Microsoft's office: OLE2 ([MS-CFB]) with the files embedded in it, and TNEF (winmail.dat, [MS-OXTNEF])."""

import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from gatepost.filter.archives.formats.cursor import Cursor
from gatepost.filter.archives.formats.member import Damaged, Encrypted, Member, Pieces, stored

_FREE: Final = 0xFFFFFFFA
"""Sector numbers from here on are none."""
_ENTRY: Final = 128
_MINI: Final = 64
_IN_HEADER: Final = 109
_STREAM: Final = 2
_NATIVE: Final = "\1Ole10Native"
_SECRET: Final = frozenset(("EncryptedPackage", "EncryptionInfo"))

_TNEF_MARK: Final = 0x223E9F78
_ATTACHMENT_BEGINS, _TITLE, _DATA, _PROPERTIES = 0x9002, 0x8010, 0x800F, 0x9005
_LONG_NAME: Final = 0x3707
_SMALLEST: Final = 11
"""Octets of an attribute without a value; fewer are behind the end of some."""


def ole2_members(octets: bytes) -> Iterator[Member]:
    """Each stream as a file of its name; Ole10Native has a file in it."""
    file = _Compound.read(octets)
    secret = False
    for name, start, size in file.streams():
        secret = secret or name in _SECRET
        inner = native_members if name == _NATIVE else None
        yield Member((name.encode("utf-8", "replace"),), size, pieces=file.pieces(start, size), inner=inner)
    if secret:
        raise Encrypted


def native_members(octets: bytes) -> Iterator[Member]:
    """The file in an Ole10Native stream: label, path, a number of octets and those."""
    cursor = Cursor(octets, 6)
    label, path = cursor.text(), cursor.text()
    cursor.take(4)
    cursor.take(cursor.little(4))
    size = cursor.little(4)
    names = tuple(dict.fromkeys(name for name in (label, path.replace(b"\\", b"/")) if name))
    yield Member(names, size, pieces=stored(octets, cursor.at, size))


class _Compound(Struct, frozen=True):
    """`table`: the sector that follows each; `mini`: the same of small ones, which lie in `small`; streams of less than `cutoff`
    octets do."""

    octets: bytes
    sector: int
    table: Sequence[int]
    mini: Sequence[int]
    small: bytes
    cutoff: int
    directory: bytes

    @classmethod
    def read(cls, octets: bytes) -> "_Compound":
        """Raises Damaged."""
        shift = Cursor(octets, 30).little(2)
        if shift not in (9, 12):
            raise Damaged
        sector = 1 << shift
        most = len(octets) // sector + 1
        table = array("I")
        for number in _tables(octets, sector, most):
            if number < _FREE and len(table) < most:
                table.extend(_numbers(_sector(octets, number, sector)))
        start, cutoff, mini = (int.from_bytes(octets[at : at + 4], "little") for at in (48, 56, 60))
        directory = _joined(octets, table, start, sector)
        root = int.from_bytes(directory[116:120], "little")
        minis = _numbers(_joined(octets, table, mini, sector))
        return cls(octets, sector, table, minis, _joined(octets, table, root, sector), cutoff, directory)

    def streams(self) -> Iterator[tuple[str, int, int]]:
        """(name, first sector, octets)."""
        for at in range(0, len(self.directory) - _ENTRY + 1, _ENTRY):
            entry = self.directory[at : at + _ENTRY]
            if entry[66] == _STREAM:
                length = max(int.from_bytes(entry[64:66], "little") - 2, 0)
                name = entry[: min(length, 62)].decode("utf-16-le", "replace")
                yield name, int.from_bytes(entry[116:120], "little"), int.from_bytes(entry[120:124], "little")

    def pieces(self, start: int, size: int) -> Pieces:
        """What is in a stream."""
        small = size < self.cutoff
        source, table, unit = (self.small, self.mini, _MINI) if small else (self.octets, self.table, self.sector)
        base = 0 if small else self.sector

        def pieces() -> Iterator[bytes]:
            left = size
            for number in _sectors(table, start):
                if left <= 0:
                    return
                yield source[base + number * unit : base + number * unit + min(unit, left)]
                left -= unit
            if left > 0:
                raise Damaged

        return pieces


def _tables(octets: bytes, sector: int, most: int) -> list[int]:
    """The sectors in which the table of sectors lies: the first 109 of them stand in the header."""
    found = list(_numbers(octets[76:512]))
    more = int.from_bytes(octets[68:72], "little")
    while more < _FREE and len(found) < most + _IN_HEADER:
        *numbers, more = _numbers(_sector(octets, more, sector))
        found += numbers
    return found[: most + _IN_HEADER]


def _numbers(octets: bytes) -> "array[int]":
    found = array("I", octets[: len(octets) // 4 * 4])
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _sector(octets: bytes, number: int, size: int) -> bytes:
    return Cursor(octets, (number + 1) * size).take(size)


def _sectors(table: Sequence[int], start: int) -> Iterator[int]:
    """A chain; one longer than the table goes round in a circle."""
    number = start
    for _ in range(len(table)):
        if number >= _FREE:
            return
        yield number
        if number >= len(table):
            raise Damaged
        number = table[number]
    if number < _FREE:
        raise Damaged


def _joined(octets: bytes, table: Sequence[int], start: int, sector: int) -> bytes:
    return b"".join([octets[(number + 1) * sector : (number + 2) * sector] for number in _sectors(table, start)])


def tnef_members(octets: bytes) -> Iterator[Member]:
    """The attachments in a winmail.dat."""
    cursor = Cursor(octets)
    if cursor.little(4) != _TNEF_MARK:
        raise Damaged
    cursor.take(2)
    names: list[bytes] = []
    data: tuple[int, int] | None = None
    while cursor.at + _SMALLEST <= len(octets):
        cursor.take(1)
        attribute, size = cursor.little(4) & 0xFFFF, cursor.little(4)
        begin = cursor.at
        value = cursor.take(size)
        cursor.take(2)
        if attribute == _ATTACHMENT_BEGINS:
            if data:
                yield Member(tuple(dict.fromkeys(names)), data[1], pieces=stored(octets, *data))
            names, data = [], None
        elif attribute == _TITLE:
            names.append(value.partition(b"\0")[0])
        elif attribute == _DATA:
            data = (begin, size)
        elif attribute == _PROPERTIES:
            names += _long_name(value)
    if data:
        yield Member(tuple(dict.fromkeys(names)), data[1], pieces=stored(octets, *data))


def _long_name(value: bytes) -> list[bytes]:
    """PR_ATTACH_LONG_FILENAME among MAPI properties, in Unicode or not: its tag, one value, its length, the text."""
    found = []
    for kind, codec in ((0x1E, "latin-1"), (0x1F, "utf-16-le")):
        at = value.find(kind.to_bytes(2, "little") + _LONG_NAME.to_bytes(2, "little") + b"\1\0\0\0")
        if at >= 0:
            length = min(int.from_bytes(value[at + 8 : at + 12], "little"), 1024)
            text = value[at + 12 : at + 12 + length].decode(codec, "replace").partition("\0")[0]
            found.append(text.encode("utf-8", "replace"))
    return found
