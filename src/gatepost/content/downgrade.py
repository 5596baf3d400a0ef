"""MIME conversion to 7 bit: what a header declares as 8bit or binary becomes quoted-printable (RFC 2045 §6.7), and a multipart or
an attached message around it 7bit. For servers without 8BITMIME (RFC 6152 §3), and as mail comes in (force_mime_input_conversion).

In bounded memory, by headers alone as Postfix does it (disable_mime_output_conversion): octets that no header declares stay as
they are.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from gatepost.content.aside import Aside
from gatepost.mail.content import Content
from gatepost.mail.mime import BodyFound, Found, HeaderFound, HeadersEnd, Limits, Walk
from gatepost.net.turns import Turns

_PIECE: Final = 16384

_SOFT = 72  # octets of a line after which a soft break is due; with an encoded octet more it stays within 76
_SAFE = frozenset(b"\t") | (frozenset(range(32, 127)) - frozenset(b"="))
_QUOTED = [bytes((octet,)) if octet in _SAFE else b"=%02X" % octet for octet in range(256)]
_EIGHT = ("8bit", "binary")
_BLANKS = (b" ", b"\t")


async def seven_bit(content: Content, limits: Limits, staging: Callable[[], Path]) -> Content:
    """The content in 7 bit. `limits`: of the walk; `staging`: see `Aside`. Raises OSError."""
    aside, turns = Aside(staging), Turns()
    for piece in downgraded(_small(content), limits):
        aside.write(piece)
        if turns.over():
            await turns.rest()
    return aside.content()


def _small(content: Content) -> Iterator[bytes]:
    """The octets in pieces that take a few milliseconds each."""
    for chunk in content.chunks():
        for at in range(0, len(chunk), _PIECE):
            yield chunk[at : at + _PIECE]


def downgraded(pieces: Iterable[bytes], limits: Limits) -> Iterator[bytes]:
    """The content `pieces` make up, with lines ending in CRLF, in 7 bit."""
    conversion = SevenBit(limits)
    for piece in pieces:
        yield conversion.feed(piece)
    yield conversion.finish()


class SevenBit:
    """Makes 7 bit of a message whose octets come piece by piece, in lines that end in CRLF. A transfer encoding is held back until
    all its headers say what it is of."""

    def __init__(self, limits: Limits) -> None:
        self._walk = Walk(limits)
        self._held = b""
        self._blank = b""  # white space that may turn out to end its line
        self._encode = False
        self._column = 0

    def feed(self, piece: bytes) -> bytes:
        """What may go on of the message, after these octets of it."""
        return self._all(self._walk.feed(piece))

    def finish(self) -> bytes:
        """The rest of it."""
        return self._all(self._walk.finish())

    def _all(self, founds: Iterator[Found]) -> bytes:
        return b"".join([part for found in founds for part in self._of(found)])

    def _of(self, found: Found) -> Iterator[bytes]:
        """The octets in the place of `found`."""
        if isinstance(found, HeaderFound):
            text = found.text.replace(b"\n", b"\r\n") + b"\r\n"
            if found.name == "content-transfer-encoding":
                self._held = text
            else:
                yield text
        elif isinstance(found, HeadersEnd):
            eight = found.entity.domain in _EIGHT
            self._encode = eight and not found.entity.composite
            if eight:
                yield b"Content-Transfer-Encoding: " + (b"quoted-printable" if self._encode else b"7bit") + b"\r\n"
            else:
                yield self._held
            self._held = b""
        else:
            yield from self._body(found)

    def _body(self, found: BodyFound) -> Iterator[bytes]:
        if found.entity.domain not in _EIGHT or not self._encode:
            yield found.text
            return
        *lines, rest = found.text.split(b"\r\n")
        for line in lines:
            yield from self._quoted(line, ended=True)
        if rest:
            yield from self._quoted(rest, ended=False)

    def _quoted(self, line: bytes, *, ended: bool) -> Iterator[bytes]:
        """A line in quoted-printable, or a piece of one."""
        line, self._blank = self._blank + line, b""
        if not ended and line[-1:] in _BLANKS:
            line, self._blank = line[:-1], line[-1:]
        out: list[bytes] = []
        for octet in line:
            if self._column > _SOFT:
                out.append(b"=\r\n")
                self._column = 0
            code = _QUOTED[octet]
            out.append(code)
            self._column += len(code)
        if ended:
            if line[-1:] in _BLANKS:
                out[-1] = b"=%02X" % line[-1]
            out.append(b"\r\n")
            self._column = 0
        yield b"".join(out)
