"""Reads B-tree files of Berkeley DB, versions 4 to 18, as their pages are, without its library.

Leaf pages are read in the order in which they lie; nothing is followed but overflow pages, for as many octets as were announced. So
a file of any content is read in one pass, page by page. The file must be at rest: whoever has it open keeps changes to himself.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

Pair = tuple[bytes, bytes]

LONGEST: Final = 65536
"""Octets of a key or value; a longer one is left out with its pair."""

_MAGIC: Final = 0x053162
_META: Final = 512  # octets that say what the file is
_HEADER: Final = 26  # octets before the index of a page
_LEAF, _OVERFLOW = 5, 7
_ITEM, _LARGE, _DELETED = 1, 3, 0x80


class NotABtree(Exception):
    """The file is none that can be read; the text says why."""


def pairs(file: BinaryIO) -> Iterator[Pair]:
    """The keys and values. Raises NotABtree, also in the midst, where the file is damaged; OSError."""
    meta = file.read(_META)
    if len(meta) < _META:
        raise NotABtree("too short for a Berkeley DB file")
    order = next((order for order in "<>" if struct.unpack_from(f"{order}I", meta, 12)[0] == _MAGIC), "")
    if not order:
        raise NotABtree("no B-tree of Berkeley DB")
    size, encrypted, flags = struct.unpack_from(f"{order}IB1xB", meta, 20)
    if encrypted or flags & 1:
        raise NotABtree("encrypted, or with checksums, which postgrey's files are not")
    if size not in {1 << bits for bits in range(9, 17)}:
        raise NotABtree(f"pages of {size} octets")
    pages = _Pages(file, order, size)
    number = 1
    while page := pages.read(number):
        if page[25] == _LEAF:
            yield from pages.leaf(page, number)
        number += 1


class _Pages:
    """The pages of a file."""

    def __init__(self, file: BinaryIO, order: str, size: int) -> None:
        self._file = file
        self._size = size
        self._short = struct.Struct(f"{order}H")
        self._header = struct.Struct(f"{order}16xIHH2x")  # next page, entries, where data begin or how many there are
        self._large = struct.Struct(f"{order}4xII")  # first page, octets

    def read(self, number: int) -> bytes:
        """A page; empty behind the last one."""
        self._file.seek(number * self._size)
        page = self._file.read(self._size)
        return page if len(page) == self._size else b""

    def leaf(self, page: bytes, number: int) -> Iterator[Pair]:
        _, entries, _ = self._header.unpack_from(page)
        if _HEADER + 2 * entries > self._size:
            raise NotABtree(f"page {number} is damaged")
        for at in range(_HEADER, _HEADER + 2 * (entries - entries % 2), 4):
            key, value = self._item(page, at, number), self._item(page, at + 2, number)
            if key is not None and value is not None:
                yield key, value

    def _item(self, page: bytes, at: int, number: int) -> bytes | None:
        """What an index points to; None for what is deleted, too long or of another kind."""
        (start,) = self._short.unpack_from(page, at)
        if start + 3 > self._size:
            raise NotABtree(f"page {number} is damaged")
        kind = page[start + 2]
        if kind == _ITEM:
            (length,) = self._short.unpack_from(page, start)
            if start + 3 + length > self._size:
                raise NotABtree(f"page {number} is damaged")
            return page[start + 3 : start + 3 + length]
        if kind == _LARGE and start + 12 <= self._size:
            return self._overflow(*self._large.unpack_from(page, start))
        return None

    def _overflow(self, number: int, length: int) -> bytes | None:
        if length > LONGEST:
            return None
        octets = b""
        while len(octets) < length:
            page = self.read(number)
            if not page or page[25] != _OVERFLOW:
                raise NotABtree(f"page {number} should go on with an entry")
            number, _, held = self._header.unpack_from(page)
            if not 0 < held <= self._size - _HEADER:
                raise NotABtree(f"page {number} is damaged")
            octets += page[_HEADER : _HEADER + held]
        return octets[:length]
