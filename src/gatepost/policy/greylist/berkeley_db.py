"""Reads B-tree files of Berkeley DB, versions 4 to 18, as their pages are, without its library.

Leaf pages are read in the order in which they lie; nothing is followed but overflow pages, each for one entry and full but for the
last. The items of a leaf page do not overlap. So a file of any content costs what its size says, and no entry makes it cost more.
The file must be at rest: whoever has it open keeps changes to himself.
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
        self._followed: set[int] = set()
        """Overflow pages that belong to an entry already."""

    def read(self, number: int) -> bytes:
        """A page; empty behind the last one."""
        self._file.seek(number * self._size)
        page = self._file.read(self._size)
        return page if len(page) == self._size else b""

    def leaf(self, page: bytes, number: int) -> Iterator[Pair]:
        starts = self._starts(page, number)
        for key_at, value_at in zip(starts[::2], starts[1::2], strict=False):
            key, value = self._item(page, key_at), self._item(page, value_at)
            if key is not None and value is not None:
                yield key, value

    def _starts(self, page: bytes, number: int) -> list[int]:
        """Where the items of a page begin, which all lie in it, beside each other."""
        _, entries, _ = self._header.unpack_from(page)
        room = self._size - _HEADER - 2 * entries
        if room < 0:
            raise NotABtree(f"page {number} is damaged")
        starts = [self._short.unpack_from(page, at)[0] for at in range(_HEADER, _HEADER + 2 * entries, 2)]
        for start in starts:
            octets = self._octets(page, start)
            room -= octets
            if room < 0 or start + octets > self._size:
                raise NotABtree(f"page {number} is damaged")
        return starts

    def _octets(self, page: bytes, start: int) -> int:
        """How much of the page an item takes."""
        if start + 3 > self._size:
            return self._size
        if page[start + 2] & ~_DELETED == _ITEM:
            return 3 + int(self._short.unpack_from(page, start)[0])
        return 12

    def _item(self, page: bytes, start: int) -> bytes | None:
        """What begins there; None for what is deleted, too long or of another kind."""
        if page[start + 2] == _ITEM:
            return page[start + 3 : start + self._octets(page, start)]
        if page[start + 2] == _LARGE:
            return self._overflow(*self._large.unpack_from(page, start))
        return None

    def _overflow(self, number: int, length: int) -> bytes | None:
        if length > LONGEST:
            return None
        octets = b""
        while len(octets) < length:
            page = self.read(number)
            if not page or page[25] != _OVERFLOW or number in self._followed:
                raise NotABtree(f"page {number} should go on with an entry")
            self._followed.add(number)
            following, _, held = self._header.unpack_from(page)
            if held != min(self._size - _HEADER, length - len(octets)):
                raise NotABtree(f"page {number} is damaged")
            octets += page[_HEADER : _HEADER + held]
            number = following
        return octets
