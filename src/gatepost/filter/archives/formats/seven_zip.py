"""7z (7zFormat.txt of the LZMA SDK): names and sizes from its header, which may itself be packed; files where their folder is
packed by a plain chain of copy, lzma, lzma2, deflate, bzip2, delta and branch filters."""

import bz2
import lzma
from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Struct

from gatepost.filter.archives.formats.compressed import Make, deflate, raw_lzma, unpacked
from gatepost.filter.archives.formats.cursor import Cursor
from gatepost.filter.archives.formats.member import Damaged, Encrypted, Member
from gatepost.filter.archives.formats.solid import Solid

_END, _HEADER, _FILES, _PACK, _UNPACK, _SUBSTREAMS, _SIZES, _CRC = 0, 1, 5, 6, 7, 8, 9, 10
_FOLDERS, _SIZES_UNPACKED, _COUNTS, _EMPTY_STREAM, _NAMES, _PACKED_HEADER = 11, 12, 13, 14, 17, 23
_AES: Final = b"\6\xf1\7\1"
_MOST: Final = 100_000
"""Files and folders that are believed."""
_MOST_CODERS: Final = 32
"""Coders of one folder, and streams of one coder, as 7-Zip itself has it."""
_START: Final = 32
_MOST_HEADER: Final = 16 * 1024 * 1024


class _Folder(Struct, frozen=True):
    """`coders`: (method, properties), the outermost last; empty where they are no plain chain. `sizes`: what each makes."""

    coders: tuple[tuple[bytes, bytes], ...]
    sizes: tuple[int, ...]
    encrypted: bool
    packed: int  # streams that it reads
    size: int


class _Streams(Struct):
    """What is packed, and where."""

    position: int = 0
    packed: list[int] = []
    folders: list[_Folder] = []
    substreams: list[list[int]] = []  # sizes of the files of each folder


def members(octets: bytes) -> Iterator[Member]:
    """As `Format` has it."""
    start = Cursor(octets, 12)
    offset, size = start.little(8), start.little(8)
    if not size:
        if len(octets) > _START:
            raise Damaged
        return
    header = Cursor(Cursor(octets, _START + offset).take(size))
    kind = header.byte()
    if kind == _PACKED_HEADER:
        streams = _streams(header)
        if not streams.folders or streams.folders[0].encrypted:
            raise Encrypted if streams.folders else Damaged
        header = Cursor(_all(_folder_pieces(octets, streams, 0)))
        kind = header.byte()
    if kind != _HEADER:
        raise Damaged
    yield from _members(octets, header)


def _members(octets: bytes, header: Cursor) -> Iterator[Member]:
    streams = _Streams()
    while (kind := header.byte()) != _END:
        if kind == 4:
            streams = _streams(header)
        elif kind == _FILES:
            break
        else:
            raise Damaged  # archive properties, which nobody writes
    else:
        return
    names, empty = _files(header)
    solid = Solid(lambda folder: _folder_pieces(octets, streams, folder))
    places = ((folder, begin, size) for folder, sizes in enumerate(streams.substreams) for begin, size in _places(sizes))
    for name, is_empty in zip(names, empty, strict=True):
        folder, begin, size = (-1, 0, 0) if is_empty else next(places, (-2, 0, 0))
        if folder == -2:
            raise Damaged
        if folder == -1:
            yield Member((name,), 0)
            continue
        within = streams.folders[folder]
        readable = within.coders and not within.encrypted
        yield Member((name,), size, within.encrypted, solid.member(folder, begin, size) if readable else None)


def _places(sizes: list[int]) -> Iterator[tuple[int, int]]:
    begin = 0
    for size in sizes:
        yield begin, size
        begin += size


def _folder_pieces(octets: bytes, streams: _Streams, index: int) -> Iterator[bytes]:
    """What a folder unpacks to."""
    folder = streams.folders[index]
    first = sum(one.packed for one in streams.folders[:index])
    if first >= len(streams.packed) or not folder.coders:
        raise Damaged
    begin = _START + streams.position + sum(streams.packed[:first])
    packed = Cursor(octets, begin).take(streams.packed[first])
    left = folder.size
    for piece in _chain(packed, folder):
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return
    if left:
        raise Damaged


def _chain(packed: bytes, folder: _Folder) -> Iterator[bytes]:
    """Filters of lzma are one chain of its decoder's; other coders stand alone."""
    methods = [method for method, _ in folder.coders]
    if methods == [b"\0"]:
        return iter((packed,))
    alone: dict[bytes, Make] = {b"\4\1\x08": deflate, b"\4\2\2": bz2.BZ2Decompressor}
    if len(methods) == 1 and methods[0] in alone:
        return unpacked(packed, alone[methods[0]], whole=False)
    filters = [_FILTERS[method](properties) for method, properties in reversed(folder.coders)]
    return unpacked(packed, raw_lzma(filters), whole=False)


def _lzma1(properties: bytes) -> dict[str, Any]:
    packed, dictionary = Cursor(properties).byte(), int.from_bytes(properties[1:5], "little")
    rest, lc = divmod(packed, 9)
    pb, lp = divmod(rest, 5)
    return {"id": lzma.FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb, "dict_size": _bounded(dictionary)}


def _lzma2(properties: bytes) -> dict[str, Any]:
    bits = Cursor(properties).byte()
    return {"id": lzma.FILTER_LZMA2, "dict_size": _bounded((2 | bits & 1) << (bits // 2 + 11))}


def _bounded(dictionary: int) -> int:
    """A dictionary that is larger than 64 MB is not had."""
    if dictionary > 1 << 26:
        raise Damaged
    return max(dictionary, 4096)


_FILTERS: Final[dict[bytes, Callable[[bytes], dict[str, Any]]]] = {
    b"\3\1\1": _lzma1,
    b"\x21": _lzma2,
    b"\3": lambda properties: {"id": lzma.FILTER_DELTA, "dist": properties[0] + 1 if properties else 1},
    b"\3\3\1\3": lambda properties: {"id": lzma.FILTER_X86},
    b"\3\3\2\5": lambda properties: {"id": lzma.FILTER_POWERPC},
    b"\3\3\4\1": lambda properties: {"id": lzma.FILTER_IA64},
    b"\3\3\5\1": lambda properties: {"id": lzma.FILTER_ARM},
    b"\3\3\7\1": lambda properties: {"id": lzma.FILTER_ARMTHUMB},
    b"\3\3\x08\5": lambda properties: {"id": lzma.FILTER_SPARC},
}
_PLAIN: Final = frozenset((*_FILTERS, b"\0", b"\4\1\x08", b"\4\2\2"))


def _streams(header: Cursor) -> _Streams:
    streams = _Streams()
    while (kind := header.byte()) != _END:
        if kind == _PACK:
            streams.position = _number(header)
            streams.packed = _pack_info(header)
        elif kind == _UNPACK:
            streams.folders = _unpack_info(header)
            streams.substreams = [[folder.size] for folder in streams.folders]
        elif kind == _SUBSTREAMS:
            streams.substreams = _substreams(header, streams.folders)
        else:
            raise Damaged
    return streams


def _pack_info(header: Cursor) -> list[int]:
    count, sizes = _count(header), []
    while (kind := header.byte()) != _END:
        if kind == _SIZES:
            sizes = [_number(header) for _ in range(count)]
        elif kind == _CRC:
            _digests(header, count)
        else:
            raise Damaged
    return sizes


def _unpack_info(header: Cursor) -> list[_Folder]:
    if header.byte() != _FOLDERS:
        raise Damaged
    count = _count(header)
    if header.byte():
        raise Damaged  # kept elsewhere, which nobody does
    shapes = [_folder(header) for _ in range(count)]
    if header.byte() != _SIZES_UNPACKED:
        raise Damaged
    folders = []
    for coders, outputs, main, encrypted, packed in shapes:
        sizes = tuple(_number(header) for _ in range(outputs))
        folders.append(_Folder(coders, sizes, encrypted, packed, sizes[main] if sizes else 0))
    while (kind := header.byte()) != _END:
        if kind != _CRC:
            raise Damaged
        _digests(header, count)
    return folders


def _folder(header: Cursor) -> tuple[tuple[tuple[bytes, bytes], ...], int, int, bool, int]:
    """(coders, outputs in all, the output that is the file, encrypted, packed streams)."""
    coders, inputs, outputs = [], 0, 0
    for _ in range(_count(header, _MOST_CODERS)):
        flags = header.byte()
        method = header.take(flags & 15)
        ins, outs = (_count(header, _MOST_CODERS), _count(header, _MOST_CODERS)) if flags & 16 else (1, 1)
        coders.append((method, header.take(_number(header)) if flags & 32 else b""))
        inputs, outputs = inputs + ins, outputs + outs
    bound = [(_number(header), _number(header)) for _ in range(max(outputs - 1, 0))]
    packed = inputs - len(bound)
    if packed > 1:
        for _ in range(packed):
            _number(header)
    used = {output for _, output in bound}
    main = next((index for index in range(outputs - 1, -1, -1) if index not in used), 0)
    plain = inputs == outputs == len(coders) and all(method in _PLAIN for method, _ in coders) and packed == 1
    encrypted = any(method == _AES for method, _ in coders)
    return (_ordered(coders, bound) if plain else (), outputs, main, encrypted, packed)


def _ordered(coders: list[tuple[bytes, bytes]], bound: list[tuple[int, int]]) -> tuple[tuple[bytes, bytes], ...]:
    """From the one that reads what is packed to the one that makes the files; empty where they make a circle."""
    feeds = {output: reader for reader, output in bound}
    readers = set(feeds.values())
    at = next((index for index in range(len(coders)) if index not in readers), None)
    order: list[int] = []
    while at is not None and at < len(coders) and at not in order:
        order.append(at)
        at = feeds.get(at)
    return tuple(coders[index] for index in order) if len(order) == len(coders) else ()


def _substreams(header: Cursor, folders: list[_Folder]) -> list[list[int]]:
    counts = [1] * len(folders)
    kind = header.byte()
    if kind == _COUNTS:
        counts = [_count(header) for _ in folders]
        kind = header.byte()
    sizes = []
    if sum(counts) > _MOST:
        raise Damaged
    for folder, count in zip(folders, counts, strict=True):
        own = [_number(header) for _ in range(count - 1)] if kind == _SIZES else []
        sizes.append([*own, max(folder.size - sum(own), 0)] if count else [])
    if kind == _SIZES:
        kind = header.byte()
    while kind != _END:
        if kind != _CRC:
            raise Damaged
        _digests(header, sum(counts))
        kind = header.byte()
    return sizes


def _files(header: Cursor) -> tuple[list[bytes], list[bool]]:
    """The names, and which files are empty."""
    count = _count(header)
    names, empty = [b""] * count, [False] * count
    while (kind := header.byte()) != _END:
        field = Cursor(header.take(_number(header)))
        if kind == _NAMES and not field.byte():
            texts = field.octets[1:].decode("utf-16-le", "replace").split("\0")
            names = [name.encode("utf-8", "replace") for name in [*texts, *[""] * count][:count]]
        elif kind == _EMPTY_STREAM:
            empty = _bits(field, count)
    return names, empty


def _digests(header: Cursor, count: int) -> None:
    defined = count if header.byte() else sum(_bits(header, count))
    header.take(4 * defined)


def _bits(cursor: Cursor, count: int) -> list[bool]:
    octets = cursor.take((count + 7) // 8)
    return [bool(octets[index >> 3] & 0x80 >> (index & 7)) for index in range(count)]


def _count(cursor: Cursor, most: int = _MOST) -> int:
    number = _number(cursor)
    if number > most:
        raise Damaged
    return number


def _number(cursor: Cursor) -> int:
    """As many octets follow the first as it has bits set at its upper end."""
    first = cursor.byte()
    length = next((bit for bit in range(8) if not first & 0x80 >> bit), 8)
    high = first & (0x7F >> length) if length < 8 else 0
    return cursor.little(length) | high << 8 * length


def _all(pieces: Iterator[bytes]) -> bytes:
    found = bytearray()
    for piece in pieces:
        found += piece
        if len(found) > _MOST_HEADER:
            raise Damaged
    return bytes(found)
