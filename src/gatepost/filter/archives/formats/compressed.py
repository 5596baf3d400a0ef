"""Compressed streams, unpacked in pieces: deflate, gzip (RFC 1952), bzip2, xz, lzma; and the files that are nothing else.

No call works on more than a piece of input or makes more than a piece of output, so that whoever has seen enough can stop.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from gatepost.filter.archives.formats.member import Damaged, Member

INPUT: Final = 65536
OUTPUT: Final = 262144
MEMORY: Final = 80 * 1024 * 1024
"""Octets that a decoder of lzma may take; a dictionary of a larger size is not unpacked."""


class Decompressor(Protocol):
    """As bz2 and lzma have it."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Zlib:
    """zlib's in the form of the others."""

    def __init__(self, bits: int) -> None:
        self._inner = zlib.decompressobj(bits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


Make = Callable[[], Decompressor]
_BROKEN: Final = (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError, MemoryError)


def deflate() -> Decompressor:
    """A bare stream, as zip has it (RFC 1951)."""
    return _Zlib(-15)


def gzip() -> Decompressor:
    """One member of a gzip file."""
    return _Zlib(31)


def xz() -> Decompressor:
    """xz."""
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY)


def lzma_alone() -> Decompressor:
    """The older file format of lzma."""
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, MEMORY)


def raw_lzma(filters: list[dict[str, Any]]) -> Make:
    """A chain of lzma's filters, as other formats have it."""
    return lambda: lzma.LZMADecompressor(lzma.FORMAT_RAW, None, filters)


def unpacked(
    octets: bytes, make: Make, start: int = 0, end: int | None = None, *, several: bool = False, whole: bool = True
) -> Iterator[bytes]:
    """What a stream from `start` to `end` holds. `several`: streams may follow each other; `whole`: one that ends too early is
    damaged. Raises Damaged."""
    end = len(octets) if end is None else end
    try:
        decompressor = make()
        for at in range(start, end, INPUT):
            data = octets[at : min(at + INPUT, end)]
            hungry = False
            while data or not hungry:
                if decompressor.eof:
                    if not several:
                        return
                    decompressor = make()
                piece = decompressor.decompress(data, OUTPUT)
                data = decompressor.unused_data if decompressor.eof else b""
                hungry = decompressor.eof or (decompressor.needs_input and len(piece) < OUTPUT)
                yield piece  # though there be nothing in it, so that whoever counts the time can
    except _BROKEN:
        raise Damaged from None
    if whole and not decompressor.eof:
        raise Damaged


def _file(make: Make, ending: bytes, *, foreign: bool = False) -> Callable[[bytes], Iterator[Member]]:
    """A file with one member, which is called as the file is, without its ending; but a gzip file may name it."""

    def members(octets: bytes) -> Iterator[Member]:
        name = _gzip_name(octets) if ending == b"gz" else b""
        yield Member((name,) if name else (), pieces=lambda: unpacked(octets, make, several=True), foreign=foreign)

    return members


def _gzip_name(octets: bytes) -> bytes:
    """FNAME (RFC 1952 §2.3)."""
    flags, at = octets[3] if len(octets) > 10 else 0, 10
    if flags & 4:
        at += 2 + int.from_bytes(octets[10:12], "little")
    return octets[at : at + 1024].partition(b"\0")[0] if flags & 8 else b""


def _bzip2() -> Decompressor:
    return bz2.BZ2Decompressor()


gz_members = _file(gzip, b"gz")
bz2_members = _file(_bzip2, b"bz2")
xz_members = _file(xz, b"xz")
lzma_members = _file(lzma_alone, b"lzma", foreign=True)
