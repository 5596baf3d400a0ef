"""Reads files of Berkeley DB, versions 4 to 18, as their pages are, without its library: B-trees (postgrey's), hashes (sasldb).

Pages of entries are read in the order in which they lie; nothing is followed but overflow pages, each for one entry and full but
for the last. The items of a page do not overlap. So a file of any content costs what its size says, and no entry makes it cost
more.
The file must be at rest: whoever has it open keeps changes to himself.
"""

import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from msgspec import Struct

Pair = tuple[bytes, bytes]

LONGEST: Final = 65536
"""Octets of a key or value; a longer one is left out with its pair."""

_META: Final = 512  # octets that say what the file is
_HEADER: Final = 26  # octets before the index of a page
_OVERFLOW: Final = 7  # the type of a page
_ITEM, _LARGE, _DELETED = 1, 3, 0x80


class NotReadable(Exception):
    """The file is none that can be read; the text says why."""


class _Form(Struct, frozen=True):
    """How entries lie in a page. `pages`: the types of those that hold them; `type_at`: where an item says what it is, octets
    behind its beginning; its content follows. `ends`: of the items that begin there."""

    pages: tuple[int, ...]
    type_at: int
    ends: Callable[["_Pages", bytes, list[int]], list[int]]


def pairs(file: BinaryIO) -> Iterator[Pair]:
    """The keys and values. Raises NotReadable, also in the midst, where the file is damaged; OSError."""
    meta = file.read(_META)
    if len(meta) < _META:
        raise NotReadable("too short for a Berkeley DB file")
    magic = ((order, _FORMS.get(struct.unpack_from(f"{order}I", meta, 12)[0])) for order in "<>")
    order, form = next(((order, form) for order, form in magic if form is not None), ("", None))
    if form is None:
        raise NotReadable("no B-tree and no hash of Berkeley DB")
    size, encrypted, flags = struct.unpack_from(f"{order}IB1xB", meta, 20)
    if encrypted or flags & 1:
        raise NotReadable("encrypted, or with checksums")
    if size not in {1 << bits for bits in range(9, 17)}:
        raise NotReadable(f"pages of {size} octets")
    pages = _Pages(file, order, size, form)
    number = 1
    while page := pages.read(number):
        if page[25] in form.pages:
            yield from pages.pairs(page, number)
        number += 1


class _Pages:
    """The pages of a file."""

    def __init__(self, file: BinaryIO, order: str, size: int, form: _Form) -> None:
        self._file = file
        self._form = form
        self.size = size
        self.short = struct.Struct(f"{order}H")
        self._header = struct.Struct(f"{order}16xIHH2x")  # next page, entries, where data begin or how many there are
        self._large = struct.Struct(f"{order}4xII")  # first page, octets
        self._followed: set[int] = set()
        """Overflow pages that belong to an entry already."""

    def read(self, number: int) -> bytes:
        """A page; empty behind the last one."""
        self._file.seek(number * self.size)
        page = self._file.read(self.size)
        return page if len(page) == self.size else b""

    def pairs(self, page: bytes, number: int) -> Iterator[Pair]:
        """Those of a page of entries."""
        spans = self._spans(page, number)
        for key_at, value_at in zip(spans[::2], spans[1::2], strict=False):
            key, value = self._item(page, *key_at), self._item(page, *value_at)
            if key is not None and value is not None:
                yield key, value

    def _spans(self, page: bytes, number: int) -> list[tuple[int, int]]:
        """Where the items of a page begin and end, which all lie in it, beside each other."""
        _, entries, _ = self._header.unpack_from(page)
        room = self.size - _HEADER - 2 * entries
        if room < 0:
            raise NotReadable(f"page {number} is damaged")
        starts = [self.short.unpack_from(page, at)[0] for at in range(_HEADER, _HEADER + 2 * entries, 2)]
        spans = list(zip(starts, self._form.ends(self, page, starts), strict=True))
        for start, end in spans:
            room -= end - start
            if room < 0 or end > self.size or end - start <= self._form.type_at:
                raise NotReadable(f"page {number} is damaged")
        return spans

    def _item(self, page: bytes, start: int, end: int) -> bytes | None:
        """What lies there; None for what is deleted, too long or of another kind."""
        kind, content = page[start + self._form.type_at], start + self._form.type_at + 1
        if kind == _ITEM:
            return page[content:end]
        if kind == _LARGE and end - start == self._large.size:
            return self._overflow(*self._large.unpack_from(page, start))
        return None

    def _overflow(self, number: int, length: int) -> bytes | None:
        if length > LONGEST:
            return None
        octets = b""
        while len(octets) < length:
            page = self.read(number)
            if not page or page[25] != _OVERFLOW or number in self._followed:
                raise NotReadable(f"page {number} should go on with an entry")
            self._followed.add(number)
            following, _, held = self._header.unpack_from(page)
            if held != min(self.size - _HEADER, length - len(octets)):
                raise NotReadable(f"page {number} is damaged")
            octets += page[_HEADER : _HEADER + held]
            number = following
        return octets


def _tree_ends(pages: _Pages, page: bytes, starts: list[int]) -> list[int]:
    """An item says how long it is."""
    return [_tree_end(pages, page, start) for start in starts]


def _tree_end(pages: _Pages, page: bytes, start: int) -> int:
    if start + 3 > pages.size:
        return pages.size + 1
    if page[start + 2] & ~_DELETED == _ITEM:
        return start + 3 + int(pages.short.unpack_from(page, start)[0])
    return start + 12


def _hash_ends(pages: _Pages, page: bytes, starts: list[int]) -> list[int]:
    """An item ends where the one before it begins: they are laid down from the end of a page."""
    return [pages.size, *starts[:-1]] if starts else []


_FORMS: Final = {0x053162: _Form((5,), 2, _tree_ends), 0x061561: _Form((13, 2), 0, _hash_ends)}
"""By the number that is written into the file."""
