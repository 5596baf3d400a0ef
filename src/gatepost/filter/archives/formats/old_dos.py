"""Archives of the days of MS-DOS: arj, lha and cab: names and sizes, and the octets of what is stored or plainly deflated."""

import zlib
from collections.abc import Iterator

from gatepost.filter.archives.formats.cursor import Cursor
from gatepost.filter.archives.formats.member import Damaged, Member, stored
from gatepost.filter.archives.formats.solid import Solid

_ARJ_FILES = frozenset((0, 1, 2))
_LHA_STORED = frozenset((b"-lh0-", b"-lz4-"))
_MSZIP = 1
_MOST_FOLDERS = 4096


def arj_members(octets: bytes) -> Iterator[Member]:
    """arj (its TECHNOTE): a header for the archive, then one before each file."""
    at, first = octets.find(b"\x60\xea"), True
    while True:
        header = Cursor(octets, at + 4)
        if at < 0 or octets[at : at + 2] != b"\x60\xea":
            raise Damaged
        size = int.from_bytes(octets[at + 2 : at + 4], "little")
        if not size:
            return
        length = header.byte()
        header.take(3)
        flags, method, kind = header.byte(), header.byte(), header.byte()
        header.take(5)
        packed, unpacked = header.little(4), header.little(4)
        name = Cursor(octets, at + 4 + length).text()
        end = Cursor(octets, at + 4 + size + 4)
        while extra := end.little(2):
            end.take(extra + 4)
        if not first and kind in _ARJ_FILES:
            encrypted = bool(flags & 1)
            yield Member((name,), unpacked, encrypted, stored(octets, end.at, packed) if not method and not encrypted else None)
        at, first = end.at + (0 if first else packed), False


def lha_members(octets: bytes) -> Iterator[Member]:
    """lha with headers of levels 0, 1 and 2."""
    at = 0
    while at + 24 < len(octets) and octets[at]:
        header = Cursor(octets, at + 2)
        method, packed, unpacked = header.take(5), header.little(4), header.little(4)
        level = octets[at + 20]
        if method[:1] != b"-" or level > 2:
            raise Damaged
        name, following = b"", at + int.from_bytes(octets[at : at + 2], "little")
        extended = Cursor(octets, at + 24)
        if level < 2:
            header.at = at + 21
            name, following = header.take(header.byte()), at + octets[at] + 2
            extended.at = following - 2
        if level:
            name = _lha_name(extended, name)
        if level == 1:
            packed -= extended.at - following
            following = extended.at
        if following <= at + 20 or packed < 0:
            raise Damaged
        if method != b"-lhd-":
            yield Member((name,), unpacked, pieces=stored(octets, following, packed) if method in _LHA_STORED else None)
        at = following + packed


def _lha_name(cursor: Cursor, name: bytes) -> bytes:
    """Folder and name, where extended headers tell them."""
    folder = b""
    while size := cursor.little(2):
        field = cursor.take(size - 2)
        if field[:1] == b"\1":
            name = field[1:]
        elif field[:1] == b"\2":
            folder = field[1:].replace(b"\xff", b"/")
    return folder + name


def cab_members(octets: bytes) -> Iterator[Member]:
    """Microsoft cabinet ([MS-CAB])."""
    header = Cursor(octets, 16)
    first_file = header.little(4)
    header.take(6)
    folders, files, flags = header.little(2), header.little(2), header.little(2)
    header.take(4)
    per_folder, per_block = 0, 0
    if flags & 4:
        reserved, per_folder, per_block = header.little(2), header.byte(), header.byte()
        header.take(reserved)
    for bit in (1, 2):
        if flags & bit:
            header.text(), header.text()
    if folders > _MOST_FOLDERS:
        raise Damaged
    places = []
    for _ in range(folders):
        places.append((header.little(4), header.little(2), header.little(2)))
        header.take(per_folder)
    solid = Solid(lambda folder: _cab_folder(octets, places[folder], per_block))
    table = Cursor(octets, first_file)
    for _ in range(files):
        size, begin, folder = table.little(4), table.little(4), table.little(2)
        table.take(6)
        name = table.text().replace(b"\\", b"/")
        readable = folder < folders and places[folder][2] & 15 <= _MSZIP
        yield Member((name,), size, pieces=solid.member(folder, begin, size) if readable else None)


def _cab_folder(octets: bytes, place: tuple[int, int, int], reserved: int) -> Iterator[bytes]:
    start, count, kind = place
    cursor, window = Cursor(octets, start), b""
    for _ in range(count):
        cursor.take(4)
        packed, unpacked = cursor.little(2), cursor.little(2)
        cursor.take(reserved)
        block = cursor.take(packed)
        if kind & 15 == _MSZIP:
            block = window = _mszip(block, window)
        if len(block) != unpacked:
            raise Damaged
        yield block


def _mszip(block: bytes, window: bytes) -> bytes:
    """A block of 32,768 octets at most, packed with the one before it for a dictionary."""
    if block[:2] != b"CK":
        raise Damaged
    decompressor = zlib.decompressobj(-15, zdict=window) if window else zlib.decompressobj(-15)
    try:
        return decompressor.decompress(block[2:], 32769)
    except zlib.error:
        raise Damaged from None
