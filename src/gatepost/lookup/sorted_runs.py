"""Entries in the order of their keys, however many there are: sorted piece by piece, put by on disk, and merged range by range, so
that memory holds a few pieces only. A table of one piece never touches the disk.

Entries are octets. Of equal keys the first that came holds, or the last.
"""

import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import BinaryIO, Final

import msgspec

Entry = tuple[bytes, bytes]

_PIECE: Final = 250_000
"""Entries that are sorted at once."""
_CHUNK: Final = 4096
"""Entries that are read back at once."""
_RANGE: Final = 64
"""Chunks between two places where all runs are cut."""

_AROUND: Final = 64
"""Octets that count for each entry, beside its own."""

_key = itemgetter(0)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[bytes, bytes]]).decode


class SortedRuns:
    """`folder`: where room for what is put by is; `last`: whether the last of equal keys holds; `repeated` is told of each key
    that is left out because it was there before."""

    def __init__(self, folder: str, *, last: bool = False, repeated: Callable[[bytes], None] = lambda key: None) -> None:
        self._folder, self._last, self._repeated = folder, last, repeated
        self._piece: list[Entry] = []
        self._keys: set[bytes] | None = None
        self._file: BinaryIO | None = None
        self._runs: list[list[_Chunk]] = []

    @property
    def octets(self) -> int:
        """Of keys and values, and a few for each; those of repeated keys may count, too."""
        put_by = sum(chunk.size + _CHUNK * _AROUND for run in self._runs for chunk in run)
        return put_by + sum(len(key) + len(value) + _AROUND for key, value in self._piece)

    def add(self, entries: Sequence[Entry]) -> None:
        """More entries, in the order in which they came; those that repeat a key are told when they are sorted. Raises OSError."""
        self._piece += entries
        self._keys = None
        if len(self._piece) >= _PIECE:
            self._put_by()

    def add_one(self, entry: Entry) -> None:
        """One more. That it repeats a key of the same piece is told at once, between what else is told of its source. Raises
        OSError."""
        if self._keys is None:
            self._keys = {key for key, _ in self._piece}
        if entry[0] in self._keys and not self._last:
            self._repeated(entry[0])
            return
        self._keys.add(entry[0])
        self._piece.append(entry)
        if len(self._piece) >= _PIECE:
            self._put_by()

    def __iter__(self) -> Iterator[list[Entry]]:
        """All entries in the order of their keys, some at a time. Once. Raises OSError."""
        if not self._runs:
            yield self._sorted(self._piece)
            return
        self._put_by()
        runs = [_Run(self._read, chunks) for chunks in self._runs]
        firsts = sorted(chunk.first for run in self._runs for chunk in run)
        for limit in (*firsts[_RANGE::_RANGE], None):
            yield self._sorted([entry for run in runs for entry in run.below(limit)])

    def _sorted(self, entries: list[Entry]) -> list[Entry]:
        return sorted(self._unique(entries).items(), key=_key)

    def _unique(self, entries: list[Entry]) -> dict[bytes, bytes]:
        kept = dict(entries)
        if len(kept) == len(entries) or self._last:
            return kept
        kept.clear()
        for key, value in entries:
            if key in kept:
                self._repeated(key)
            else:
                kept[key] = value
        return kept

    def _put_by(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
        entries, self._piece, self._keys = self._sorted(self._piece), [], None
        run: list[_Chunk] = []
        for start in range(0, len(entries), _CHUNK):
            octets = _encode(entries[start : start + _CHUNK])
            run.append(_Chunk(entries[start][0], self._file.tell(), len(octets)))
            self._file.write(octets)
        self._runs.append(run)

    def _read(self, chunk: "_Chunk") -> list[Entry]:
        assert self._file is not None
        self._file.seek(chunk.at)
        return _decode(self._file.read(chunk.size))


class _Chunk(msgspec.Struct, frozen=True):
    """Entries on disk. `first`: the least key; `at`, `size`: where, in octets."""

    first: bytes
    at: int
    size: int


class _Run:
    """One sorted piece, read back in its order."""

    def __init__(self, read: Callable[[_Chunk], list[Entry]], chunks: Sequence[_Chunk]) -> None:
        self._read = read
        self._chunks = iter(chunks)
        self._next: list[Entry] = []

    def below(self, limit: bytes | None) -> list[Entry]:
        """What is left of it below `limit`; None: all of it."""
        found = self._next
        while limit is None or not found or found[-1][0] < limit:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            found += self._read(chunk)
        cut = len(found) if limit is None else bisect_left(found, limit, key=_key)
        self._next = found[cut:]
        return found[:cut]
