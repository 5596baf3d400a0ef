"""The content of a message in canonical wire form: lines end in CRLF, no dot-stuffing, no final dot.

Small contents live in memory, large ones in a file (`FileContent`), so that memory does not follow a message's size.
Both answer the same questions; whoever only passes a message on uses `chunks()`.
"""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

CHUNK = 65536

PLAIN_LINE = 998
"""Octets of a line without its CRLF, up to which it needs no breaking (RFC 5321 §4.5.3.1.6)."""


_DOT_LINE = re.compile(rb"\r\n\.")


def dot_line(lines: bytes) -> int:
    """Where the first CRLF before a dot is; -1 where there is none. A pattern looks for its first octet, which is rare: half as
    dear as `find`, which looks for the last one."""
    found = _DOT_LINE.search(lines)
    return found.start() if found else -1


class MemoryContent:
    """A content held in memory. `plain`: known to be so (`is_plain`)."""

    __slots__ = ("__weakref__", "data", "plain")

    def __init__(self, data: bytes, *, plain: bool = False) -> None:
        self.data = data
        self.plain = plain

    @property
    def size(self) -> int:
        """Octets in wire form."""
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        """The octets, in order."""
        yield self.data

    def head(self, at_most: int) -> bytes:
        """The first `at_most` octets."""
        return self.data[:at_most]

    def read(self) -> bytes:
        """All of it."""
        return self.data


class FileContent:
    """A content that lives in a file from `offset` (octets) to its end.

    `plain`: known to be so (`is_plain`).
    `crc`: the CRC-32 of what was written there, where somebody has made it.
    """

    __slots__ = ("__weakref__", "crc", "offset", "path", "plain", "size")

    def __init__(self, path: Path, size: int, offset: int = 0, *, plain: bool = False, crc: int | None = None) -> None:
        self.path = path
        self.size = size
        self.offset = offset
        self.plain = plain
        self.crc = crc

    def chunks(self) -> Iterator[bytes]:
        """The octets, in order, at most CHUNK at a time. Raises OSError where the file cannot be read."""
        left = self.size
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            while left and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk

    def head(self, at_most: int) -> bytes:
        """The first `at_most` octets."""
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            return file.read(min(at_most, self.size))

    def read(self) -> bytes:
        """All of it; for contents known to be small."""
        return b"".join(self.chunks())

    def after(self, octets: int) -> "FileContent":
        """What follows the first `octets`, in the same file; also where a subclass keeps that file open."""
        rest = copy.copy(self)
        rest.size -= octets
        rest.offset += octets
        rest.crc = None
        return rest


class SplicedContent:
    """A content with a new beginning: `head`, then `rest`. What rewriting the headers of a large message makes of it."""

    plain: Final = False
    __slots__ = ("__weakref__", "_rest", "head_octets")

    def __init__(self, head: bytes, rest: FileContent) -> None:
        self.head_octets = head
        self._rest = rest

    @property
    def size(self) -> int:
        """Octets in wire form."""
        return len(self.head_octets) + self._rest.size

    def chunks(self) -> Iterator[bytes]:
        """The octets, in order. Raises OSError where the file cannot be read."""
        yield self.head_octets
        yield from self._rest.chunks()

    def head(self, at_most: int) -> bytes:
        """The first `at_most` octets."""
        return (self.head_octets + self._rest.head(max(at_most - len(self.head_octets), 0)))[:at_most]

    def below(self, head: bytes) -> "SplicedContent":
        """The same with `head` on top."""
        return SplicedContent(head + self.head_octets, self._rest)

    def read(self) -> bytes:
        """All of it; for contents known to be small."""
        return b"".join(self.chunks())


Content = MemoryContent | FileContent | SplicedContent


def prepended(head: bytes, content: Content) -> Content:
    """`content` with `head`, whole lines, on top."""
    match content:
        case MemoryContent():
            return MemoryContent(head + content.data)
        case FileContent():
            return SplicedContent(head, content)
        case SplicedContent():
            return content.below(head)


def is_plain(lines: bytes) -> bool:
    """Whether these whole lines can be sent as they are: none begins with a dot, none is longer than PLAIN_LINE. Where that is not
    sure, they are not."""
    return lines[:1] != b"." and dot_line(lines) < 0 and all_short(lines, PLAIN_LINE)


def all_short(block: bytes, limit: int) -> bool:
    """Whether it is sure that no line of `block` has `limit` octets: half as many after a line end, there is another. A few
    searches in C for a message, where a look at each line would be dear."""
    window, start = limit // 2, 0
    while start + window <= len(block):
        start = block.rfind(b"\n", start, start + window) + 1
        if not start:
            return False
    return True
