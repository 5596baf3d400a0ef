"""Content as it goes over the wire after DATA: leading dots doubled, overlong lines broken, a final dot (RFC 5321 §4.5.2).

The usual message needs nothing of it, and is found not to by two searches of the whole octets.
"""

from collections.abc import Iterable, Iterator

from gatepost.mail.content import PLAIN_LINE, dot_line

_BREAK = b"\r\n "


class Encoder:
    """Encodes one content, given in pieces of any size. `line_limit`: the longest line in octets without its CRLF, 0 for no limit.

    `broken` tells afterwards whether a line had to be broken.
    """

    __slots__ = ("_column", "_held", "_limit", "broken")

    def __init__(self, line_limit: int) -> None:
        self._limit = line_limit
        self._column = 0  # octets of the current line that have left
        self._held = b""  # a CR at the end of a piece: its line feed may come with the next
        self.broken = False

    def encode(self, piece: bytes, *, plain: bool = False) -> bytes:
        """The wire form of the next piece. `plain`: it belongs to a content of which all is (mail/content.py, `is_plain`)."""
        if plain and (self._limit == 0 or self._limit >= PLAIN_LINE):
            return piece
        if self._held:
            piece = self._held + piece
            self._held = b""
        if piece.endswith(b"\r"):
            self._held = b"\r"
            piece = piece[:-1]
        if not piece:
            return piece
        if self._limit and self._too_long(piece):
            self.broken = True
            return self._slowly(piece)
        at_start = self._column == 0
        last = piece.rfind(b"\r\n")
        self._column = len(piece) - last - 2 if last >= 0 else self._column + len(piece)
        if dot_line(piece) >= 0:
            piece = piece.replace(b"\r\n.", b"\r\n..")
        return b"." + piece if at_start and piece.startswith(b".") else piece

    def finish(self) -> bytes:
        """What ends the content: the rest of a line without end, and the line with the dot."""
        tail = self._held
        self._held = b""
        if self._column or tail:
            return tail + b"\r\n.\r\n"
        return b".\r\n"

    def _too_long(self, piece: bytes) -> bool:
        """Whether a line exceeds the limit; jumps from the last line end in reach to the next."""
        limit = self._limit
        start = -self._column
        end = len(piece)
        while start + limit < end:
            found = piece.rfind(b"\r\n", max(start, 0), start + limit + 2)
            if found < 0:
                return True
            start = found + 2
        return False

    def _slowly(self, piece: bytes) -> bytes:
        out = []
        for number, line in enumerate(piece.split(b"\r\n")):
            if number:
                out.append(b"\r\n")
                self._column = 0
            if self._column == 0 and line.startswith(b"."):
                out.append(b".")
            out.append(self._folded(line))
        return b"".join(out)

    def _folded(self, line: bytes) -> bytes:
        """`line` continued from the current column, broken with CRLF SPACE where the limit is reached, as Postfix does."""
        out: list[bytes] = []
        at = 0
        while len(line) - at > (room := self._limit - self._column):
            out += (line[at : at + room], _BREAK)
            at += room
            self._column = 1
        self._column += len(line) - at
        return b"".join((*out, line[at:]))


def encoded(pieces: Iterable[bytes], encoder: Encoder, *, plain: bool = False) -> Iterator[bytes]:
    """The whole wire form of a content, its final dot included."""
    for piece in pieces:
        yield encoder.encode(piece, plain=plain)
    yield encoder.finish()
