"""rar, versions 4 and 5 (unrar's technote): names and sizes; its compression is nobody else's, and only what is stored is read."""

from collections.abc import Iterator
from typing import Final

from gatepost.filter.archives.formats.cursor import Cursor
from gatepost.filter.archives.formats.member import Damaged, Encrypted, Member, stored

MARK_4: Final = b"Rar!\x1a\7\0"
MARK_5: Final = b"Rar!\x1a\7\1\0"
_MAIN, _FILE, _END = 0x73, 0x74, 0x7B
_MAIN_5, _FILE_5, _ENCRYPTION_5, _END_5 = 1, 2, 4, 5


def members(octets: bytes) -> Iterator[Member]:
    """As `Format` has it; behind a program that unpacks itself as well."""
    begin = octets.find(b"Rar!\x1a\7")
    if octets.startswith(MARK_5, begin):
        yield from _version_5(octets, begin + len(MARK_5))
    elif octets.startswith(MARK_4, begin):
        yield from _version_4(octets, begin + len(MARK_4))
    else:
        raise Damaged


def _version_4(octets: bytes, at: int) -> Iterator[Member]:
    while at < len(octets):
        header = Cursor(octets, at + 2)
        kind, flags, size = header.byte(), header.little(2), header.little(2)
        if size < 7 or kind == _END:
            return
        packed = header.little(4) if flags & 0x8000 or kind == _FILE else 0
        if kind == _MAIN and flags & 0x80:
            raise Encrypted
        if kind == _FILE:
            unpacked = header.little(4)
            header.take(9)
            header.take(1)
            method, length = header.byte(), header.little(2)
            header.take(4)
            if flags & 0x100:
                packed, unpacked = packed | header.little(4) << 32, unpacked | header.little(4) << 32
            name = header.take(length)
            if flags & 0xE0 != 0xE0:  # no folder
                plain = method == 0x30 and not flags & 4
                yield Member((_name(name, wide=bool(flags & 0x200)),), unpacked, bool(flags & 4),
                             stored(octets, at + size, packed) if plain else None)  # fmt: skip
        at += size + packed


def _name(octets: bytes, *, wide: bool) -> bytes:
    """The name in an old character set comes first, then the same packed as Unicode, which is left out."""
    name = octets.partition(b"\0")[0] if wide else octets
    return name.replace(b"\\", b"/")


def _version_5(octets: bytes, at: int) -> Iterator[Member]:
    while at < len(octets):
        header = Cursor(octets, at + 4)
        size = _number(header)
        begin = header.at
        kind, flags = _number(header), _number(header)
        if flags & 1:
            _number(header)
        data = _number(header) if flags & 2 else 0
        if kind == _ENCRYPTION_5:
            raise Encrypted
        if kind == _FILE_5:
            yield from _file_5(header, begin + size, data)
        if kind == _END_5:
            return
        at = begin + size + data


def _file_5(header: Cursor, end: int, data: int) -> Iterator[Member]:
    flags, unpacked = _number(header), _number(header)
    _number(header)
    header.take((4 if flags & 2 else 0) + (4 if flags & 4 else 0))
    method = _number(header) >> 7 & 7
    _number(header)
    name = header.take(_number(header))
    encrypted = False
    while header.at < end:
        length = _number(header)
        following = header.at + length
        encrypted = encrypted or _number(header) == 1
        header.at = following
    if not flags & 1:
        plain = not method and not encrypted
        yield Member((name,), -1 if flags & 8 else unpacked, encrypted, stored(header.octets, end, data) if plain else None)


def _number(cursor: Cursor) -> int:
    """Seven bits an octet, the lowest first."""
    number = 0
    for shift in range(0, 70, 7):
        octet = cursor.byte()
        number |= (octet & 0x7F) << shift
        if not octet & 0x80:
            return number
    raise Damaged
