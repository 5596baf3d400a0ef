"""Archives whose members lie there as they are: cpio, ar (and deb), ISO 9660 (ECMA-119) with Joliet's names."""

from collections.abc import Iterator
from typing import Final

from gatepost.filter.archives.formats.cursor import Cursor, digits
from gatepost.filter.archives.formats.member import Damaged, Member, stored

_LONGEST_NAME: Final = 4096
_SECTOR: Final = 2048
_FIRST_DESCRIPTOR: Final = 16
_JOLIET: Final = (b"%/@", b"%/C", b"%/E")
_MOST_ENTRIES: Final = 100_000


def cpio_members(octets: bytes) -> Iterator[Member]:
    """cpio(5): the new form, with a checksum and without, the portable one, and the old one in both orders of octets."""
    at = 0
    while True:
        mark = octets[at : at + 6]
        header = Cursor(octets, at)
        if mark in (b"070701", b"070702"):
            fields = [header.take(6), *(header.take(8) for _ in range(13))]
            mode, size, length, align = digits(fields[2], 16), digits(fields[7], 16), digits(fields[12], 16), 4
        elif mark == b"070707":
            fields = [header.take(count) for count in (6, 6, 6, 6, 6, 6, 6, 6, 11, 6, 11)]
            mode, size, length, align = digits(fields[3], 8), digits(fields[10], 8), digits(fields[9], 8), 1
        elif mark[:2] in (b"\xc7\x71", b"\x71\xc7"):
            order = "little" if mark[0] == 0xC7 else "big"
            words = [int.from_bytes(header.take(2), order) for _ in range(13)]  # type: ignore[arg-type]
            mode, size, length, align = words[3], words[11] << 16 | words[12], words[10], 2
        else:
            raise Damaged
        if length > _LONGEST_NAME:
            raise Damaged
        name = header.take(length).partition(b"\0")[0]
        header.at = _aligned(header.at, align)
        if name == b"TRAILER!!!":
            return
        if mode & 0o170000 in (0o100000, 0):
            yield Member((name,), size, pieces=stored(octets, header.at, size))
        at = _aligned(header.at + size, align)


def _aligned(at: int, unit: int) -> int:
    return -(-at // unit) * unit


def ar_members(octets: bytes) -> Iterator[Member]:
    """ar(5): the forms of BSD and GNU; a Debian package is one."""
    at, table = 8, b""
    while at + 60 <= len(octets):
        field, length = octets[at : at + 16].rstrip(b" "), octets[at + 48 : at + 58].strip(b" ")
        if octets[at + 58 : at + 60] != b"`\n" or not length.isdigit():
            raise Damaged
        size, data = int(length), at + 60
        at = _aligned(data + size, 2)
        if field == b"//":
            table = octets[data : data + size]
            continue
        if field in (b"/", b"/SYM64/", b"__.SYMDEF"):
            continue
        name = field.rstrip(b"/")
        if field[:1] == b"/" and field[1:].isdigit():
            name = table[int(field[1:]) :][:_LONGEST_NAME].partition(b"\n")[0].rstrip(b"/")
        elif field[:3] == b"#1/" and field[3:].isdigit():
            own = min(int(field[3:]), _LONGEST_NAME, size)
            name, data, size = octets[data : data + own].rstrip(b"\0"), data + own, size - own
        yield Member((name,), size, pieces=stored(octets, data, size))
    if at < len(octets):
        raise Damaged


def iso_members(octets: bytes) -> Iterator[Member]:
    """The files of the last volume descriptor that has a root: Joliet's, where there is one, as Windows reads it."""
    root, wide = b"", False
    for sector in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + 32):
        descriptor = octets[sector * _SECTOR : (sector + 1) * _SECTOR]
        if descriptor[1:6] != b"CD001" or descriptor[0] == 255:
            break
        if descriptor[0] == 1 or (descriptor[0] == 2 and descriptor[88:91] in _JOLIET):
            root, wide = descriptor[156:190], descriptor[0] == 2
    if not root:
        raise Damaged
    folders, seen, count, left = [(root, b"")], set(), 0, len(octets)
    while folders:
        record, path = folders.pop()
        begin, size = _extent(record)
        if begin in seen:
            continue
        seen.add(begin)
        left -= size
        if begin + size > len(octets) or left < 0:  # folders of an honest image do not lie in each other
            raise Damaged
        for entry in _records(octets, begin, begin + size):
            count += 1
            if count > _MOST_ENTRIES:
                raise Damaged
            name = path + _iso_name(entry, wide=wide)
            if entry[25] & 2:
                folders.append((entry, name + b"/"))
            else:
                start, length = _extent(entry)
                yield Member((name,), length, pieces=stored(octets, start, length))


def _extent(record: bytes) -> tuple[int, int]:
    return int.from_bytes(record[2:6], "little") * _SECTOR, int.from_bytes(record[10:14], "little")


def _records(octets: bytes, at: int, end: int) -> Iterator[bytes]:
    """The entries of a folder but for itself and the one above it; none goes beyond its sector."""
    while at < end:
        length = octets[at]
        if not length:
            at = _aligned(at + 1, _SECTOR)
            continue
        record = octets[at : at + length]
        if length < 34 or len(record) < length:
            raise Damaged
        if record[33:34] not in (b"\0", b"\1") or record[32] != 1:
            yield record
        at += length


def _iso_name(record: bytes, *, wide: bool) -> bytes:
    name = record[33 : 33 + record[32]]
    return (name.decode("utf-16-be", "replace").encode() if wide else name).partition(b";")[0]
