"""What a program of this machine gives as a message, in wire form: lines that end in LF, or CR LF, become lines in CR LF."""

import enum
import re
from collections.abc import Iterator
from typing import BinaryIO

from gatepost.mail.content import CHUNK

_SEPARATORS = re.compile(rb"(?>(?:>*+From [^\n]*+\n)*)")
"""Lines of a mailbox that begin a message there."""


class LineEnds(enum.Enum):
    """sendmail_fix_line_endings: whether a CR before LF belongs to the line end. STRICT: if that of the first line does."""

    ALWAYS = "always"
    STRICT = "strict"
    NEVER = "never"


class SizeExceeded(Exception):
    """The message is larger than allowed."""


def wire_form(source: BinaryIO, ends: LineEnds, *, dot_ends: bool, limit: int = 0) -> Iterator[bytes]:
    """The content of `source` in wire form; a last line without an end gets one, and a mailbox's `From ` lines before the first
    header are left out. `dot_ends`: a line with a dot alone ends it. Raises SizeExceeded beyond `limit` octets (0: none),
    OSError."""
    lines = _Lines(ends, dot_ends=dot_ends)
    size = 0
    for chunk in _whole_lines(source):
        out = lines.feed(chunk)
        size += len(out)
        if 0 < limit < size - lines.count:
            raise SizeExceeded
        if out:
            yield out
        if lines.ended:
            return


def _whole_lines(source: BinaryIO) -> Iterator[bytes]:
    """Chunks cut at line ends, so that nothing has to be remembered from one to the next; a very long line is one chunk less."""
    carry: list[bytes] = []
    while chunk := source.read(CHUNK):
        whole, feed, rest = chunk.rpartition(b"\n")
        if feed:
            yield b"".join((*carry, whole, feed))
            carry = [rest] if rest else []
        else:
            carry.append(chunk)
    if carry:
        yield b"".join(carry) + b"\n"


class _Lines:
    """Turns whole lines into wire form. `count`: of lines so far."""

    def __init__(self, ends: LineEnds, *, dot_ends: bool) -> None:
        self.ended = False
        self.count = 0
        self._ends = ends
        self._dot_ends = dot_ends
        self._started = False

    def feed(self, lines: bytes) -> bytes:
        if not self._started:
            lines = self._start(lines)
        if self._ends is LineEnds.ALWAYS:
            lines = lines.replace(b"\r\n", b"\n")
        if self._dot_ends:
            lines = self._until_dot(lines)
        self.count += lines.count(b"\n")
        return lines.replace(b"\n", b"\r\n")

    def _start(self, lines: bytes) -> bytes:
        """Decide by the first line what STRICT means, and drop `From ` lines."""
        if self._ends is LineEnds.STRICT:
            first = lines[: lines.find(b"\n") + 1]
            self._ends = LineEnds.ALWAYS if first.endswith(b"\r\n") else LineEnds.NEVER
        separators = _SEPARATORS.match(lines)
        lines = lines[separators.end() :] if separators else lines
        self._started = bool(lines)
        return lines

    def _until_dot(self, lines: bytes) -> bytes:
        if lines.startswith(b".\n"):
            self.ended = True
            return b""
        dot = lines.find(b"\n.\n")
        if dot < 0:
            return lines
        self.ended = True
        return lines[: dot + 1]
