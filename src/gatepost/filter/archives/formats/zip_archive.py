"""zip (APPNOTE.TXT 6.3): the central directory says what there is; where a member's own header calls it something else, both
names count.

Who opens an archive may believe the one or the other. A file without a central directory is read by the headers of its members.
"""

import bz2
import itertools
import lzma
import struct
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from msgspec import Struct

from gatepost.filter.archives.formats.compressed import Make, deflate, raw_lzma, unpacked, xz
from gatepost.filter.archives.formats.member import Damaged, Encrypted, Member, Overlapping, Pieces, stored

_END: Final = b"PK\5\6"
_END64: Final = b"PK\6\6"
_LOCAL: Final = b"PK\3\4"
_CENTRAL: Final = b"PK\1\2"
_LONGEST_COMMENT: Final = 65535
_DIRECTORY: Final = struct.Struct("<4s4xHH4xLLLHHH8xL")
"""signature, flags, method, CRC, packed, unpacked, lengths of name, extra and comment, offset of the header."""
_HEADER: Final = struct.Struct("<4s2xHH8xLLHH")
_FULL: Final = 0xFFFFFFFF
_STORED, _DEFLATED, _BZIP2, _LZMA, _XZ, _AES = 0, 8, 12, 14, 95, 99
_ENCRYPTED, _LATER, _UTF8, _MASKED = 1, 8, 1 << 11, 1 << 13
_KNOWN_TO_CLAMD: Final = frozenset((_STORED, 1, 6, _DEFLATED, 9, _BZIP2))


class _Entry(Struct, frozen=True):
    names: tuple[bytes, ...]
    flags: int
    method: int
    packed: int
    size: int
    start: int  # of the data
    end: int


def members(octets: bytes) -> Iterator[Member]:
    """As `Format` has it."""
    seen: list[tuple[int, int]] = []
    damaged = False
    try:
        for entry in _entries(octets):
            seen.append((entry.start, entry.end))
            encrypted = bool(entry.flags & _ENCRYPTED) or entry.method == _AES
            pieces = None if encrypted else _pieces(octets, entry)
            yield Member(entry.names, entry.size, encrypted, pieces, foreign=entry.method not in _KNOWN_TO_CLAMD)
    except Damaged:
        damaged = True
    seen = sorted(one for one in seen if one[0] < one[1])
    if any(before[1] > after[0] for before, after in itertools.pairwise(seen)):
        raise Overlapping
    if damaged:
        raise Damaged


def _entries(octets: bytes) -> Iterator[_Entry]:
    """By the central directory; where that tells nothing, by what there is."""
    found = False
    if _END in octets[-_LONGEST_COMMENT - 22 :]:
        try:
            for entry in _central(octets):
                found = True
                yield entry
        except Damaged:
            if found:
                raise
        else:
            return
    yield from _local(octets)


def _pieces(octets: bytes, entry: _Entry) -> Pieces | None:
    if entry.method == _STORED:
        return stored(octets, entry.start, entry.packed)
    make = _makers(octets, entry).get(entry.method)
    if make is None:
        return None
    start = entry.start + (9 if entry.method == _LZMA else 0)
    return partial(_unpacked, octets, start, entry, make)


def _unpacked(octets: bytes, start: int, entry: _Entry, make: Make) -> Iterator[bytes]:
    """What there is of it, though it may be more than the directory says; then it is damaged."""
    if start > entry.end or entry.end > len(octets):
        raise Damaged
    seen = 0
    for piece in unpacked(octets, make, start, entry.end, whole=entry.method != _LZMA):
        seen += len(piece)
        yield piece
        if 0 <= entry.size < seen:
            raise Damaged


def _makers(octets: bytes, entry: _Entry) -> dict[int, Make]:
    return {_DEFLATED: deflate, _BZIP2: bz2.BZ2Decompressor, _XZ: xz, _LZMA: raw_lzma(_lzma_filters(octets, entry.start))}


def _lzma_filters(octets: bytes, at: int) -> list[dict[str, Any]]:
    """The properties of method 14: version, their length, one octet of (pb, lp, lc), the size of the dictionary."""
    packed = octets[at + 4] if at + 9 <= len(octets) else 0
    dictionary = int.from_bytes(octets[at + 5 : at + 9], "little")
    rest, lc = divmod(packed, 9)
    pb, lp = divmod(rest, 5)
    return [{"id": lzma.FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb, "dict_size": min(max(dictionary, 4096), 1 << 26)}]


def _central(octets: bytes) -> Iterator[_Entry]:
    """By the central directory. An archive may stand behind something else, so that all offsets are too small by as much."""
    end = octets.rfind(_END)
    if end + 22 > len(octets):
        raise Damaged
    count, size, offset = struct.unpack_from("<HLL", octets, end + 10)
    before = end
    if count == 0xFFFF or _FULL in (size, offset):
        before = octets.rfind(_END64, 0, end)
        if before < 0 or before + 56 > len(octets):
            raise Damaged
        count, size, offset = struct.unpack_from("<QQQ", octets, before + 32)
    begin = before - size
    shift = begin - offset
    at = begin
    if begin < 0 or shift < 0:
        raise Damaged
    for _ in range(count):
        if at + _DIRECTORY.size > before:
            raise Damaged
        signature, flags, method, _, packed, unpacked_size, n, e, c, header = _DIRECTORY.unpack_from(octets, at)
        if signature != _CENTRAL:
            raise Encrypted if flags & _MASKED else Damaged
        name = octets[at + 46 : at + 46 + n]
        extra = octets[at + 46 + n : at + 46 + n + e]
        unpacked_size, packed, header = _wide(extra, unpacked_size, packed, header)
        at += 46 + n + e + c
        own, start = _header(octets, header + shift)
        names = tuple(dict.fromkeys(_name(one, flags) for one in (name, own) if one))
        yield _Entry(names, flags, method, packed, unpacked_size, start, start + packed)


def _wide(extra: bytes, size: int, packed: int, header: int) -> tuple[int, int, int]:
    """The numbers of zip64, where those of 32 bits are full (4.5.3)."""
    values = [size, packed, header]
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            field = extra[at + 4 : at + 4 + length]
            for index, value in enumerate(values):
                if value == _FULL and len(field) >= 8:
                    values[index], field = int.from_bytes(field[:8], "little"), field[8:]
        at += 4 + length
    return values[0], values[1], values[2]


def _header(octets: bytes, at: int) -> tuple[bytes, int]:
    """The name in a member's own header, and where its data begins. Raises Damaged."""
    if at < 0 or at + _HEADER.size > len(octets) or octets[at : at + 4] != _LOCAL:
        raise Damaged
    n, e = struct.unpack_from("<HH", octets, at + 26)
    return octets[at + 30 : at + 30 + n], at + 30 + n + e


def _local(octets: bytes) -> Iterator[_Entry]:
    """By the headers of the members, one behind the other; the archive is cut short, or has never had a directory."""
    at = octets.find(_LOCAL)
    while at >= 0 and at + 30 <= len(octets):
        flags, method = struct.unpack_from("<HH", octets, at + 6)
        packed, size = struct.unpack_from("<LL", octets, at + 18)
        name, start = _header(octets, at)
        if flags & _LATER and not packed:
            following = octets.find(_LOCAL, start)
            packed, size = (following if following >= 0 else len(octets)) - start, -1
        end = min(start + packed, len(octets))
        yield _Entry((_name(name, flags),), flags, method, end - start, size, start, end)
        at = octets.find(_LOCAL, max(end, at + 4))
    raise Damaged


def _name(octets: bytes, flags: int) -> bytes:
    """In UTF-8: as it says, or as it turns out, else in the old character set of MS-DOS (appendix D)."""
    if not flags & _UTF8:
        try:
            octets.decode()
        except UnicodeDecodeError:
            return octets.decode("cp437").encode()
    return octets
