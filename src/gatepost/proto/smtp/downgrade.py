"""MIME conversion to 7 bit, for servers without 8BITMIME (RFC 6152 §3): what a header declares as 8bit or binary goes out as
quoted-printable (RFC 2045 §6.7), and a multipart or an attached message around it as 7bit.

Line by line and in bounded memory, by headers alone as Postfix does it (disable_mime_output_conversion): octets that no header
declares stay as they are.
"""

from collections.abc import Iterable, Iterator

_SOFT = 72  # octets of a line after which a soft break is due; with an encoded octet more it stays within 76
_NESTING = 100
"""Boundaries that are remembered (mime_nesting_limit)."""
_SAFE = frozenset(b"\t") | (frozenset(range(32, 127)) - frozenset(b"="))
_QUOTED = [bytes((octet,)) if octet in _SAFE else b"=%02X" % octet for octet in range(256)]


def downgraded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The content `pieces` make up, with lines ending in CRLF, in 7 bit."""
    entity = _Entities()
    rest = b""
    for piece in pieces:
        lines = (rest + piece).split(b"\r\n")
        rest = lines.pop()
        yield b"".join([entity.line(line) for line in lines])
    if rest:
        yield entity.line(rest).removesuffix(b"\r\n")
    yield entity.end()


class _Entities:
    """Goes through the entities of a message (RFC 2046 §5.1). In a header, lines are gathered; in a body they pass, encoded
    where `encode` says so."""

    def __init__(self) -> None:
        self._header: list[bytes] | None = []
        self._boundaries: list[bytes] = []
        self._encode = False

    def line(self, line: bytes) -> bytes:
        """What becomes of the next line; empty while a header is being gathered."""
        if line.startswith(b"--") and (number := self._boundary(line)) is not None:
            return self._part(line, number)
        if self._header is not None:
            return self._header_line(line)
        return _quoted(line) if self._encode else line + b"\r\n"

    def end(self) -> bytes:
        """What is left when the message ends within a header."""
        if self._header is None:
            return b""
        return self._rewritten(self._header)[0]

    def _header_line(self, line: bytes) -> bytes:
        assert self._header is not None
        if line[:1] in (b" ", b"\t") and self._header:
            self._header[-1] += b"\r\n" + line
            return b""
        if line and b":" in line:
            self._header.append(line)
            return b""
        head, kind = self._rewritten(self._header)
        # An attached message begins with a header of its own.
        self._header = [] if kind == b"message/rfc822" and not line else None
        return head + (b"\r\n" if not line else self.line(line))

    def _boundary(self, line: bytes) -> int | None:
        """The number of the innermost boundary that `line` is, None where it is none."""
        for number in range(len(self._boundaries) - 1, -1, -1):
            if line[2:].startswith(self._boundaries[number]):
                return number
        return None

    def _part(self, line: bytes, number: int) -> bytes:
        """`line` is a boundary: what was open inside it is over."""
        head = self._rewritten(self._header)[0] if self._header else b""
        self._encode = False
        closing = line[2 + len(self._boundaries[number]) :].startswith(b"--")
        del self._boundaries[number + (not closing) :]
        self._header = None if closing else []
        return head + line + b"\r\n"

    def _rewritten(self, header: list[bytes]) -> tuple[bytes, bytes]:
        """The header with its transfer encoding in 7 bit, and the media type; sets what happens to the body."""
        kind, boundary, encoding = b"text/plain", b"", b""
        for field in header:
            name, _, value = field.partition(b":")
            match name.strip().lower():
                case b"content-type":
                    kind, boundary = _media_type(value)
                case b"content-transfer-encoding":
                    encoding = value.split(b"(")[0].strip().lower()
        composite = kind.startswith((b"multipart/", b"message/"))
        if kind.startswith(b"multipart/") and boundary and len(self._boundaries) < _NESTING:
            self._boundaries.append(boundary)
        eight = encoding in (b"8bit", b"binary")
        self._encode = eight and not composite
        if eight:
            header = [field for field in header if field.partition(b":")[0].strip().lower() != b"content-transfer-encoding"]
            header.append(b"Content-Transfer-Encoding: " + (b"7bit" if composite else b"quoted-printable"))
        return b"".join([field + b"\r\n" for field in header]), kind


def _media_type(value: bytes) -> tuple[bytes, bytes]:
    """`type/subtype` in lower case and the boundary parameter (RFC 2045 §5.1)."""
    words = value.replace(b"\r\n", b" ").split(b";")
    for word in words[1:]:
        name, _, argument = word.partition(b"=")
        if name.strip().lower() == b"boundary":
            return words[0].strip().lower(), argument.strip().strip(b'"')
    return words[0].strip().lower(), b""


def _quoted(line: bytes) -> bytes:
    """One line in quoted-printable with its end."""
    out: list[bytes] = []
    length = 0
    for octet in line:
        if length > _SOFT:
            out.append(b"=\r\n")
            length = 0
        code = _QUOTED[octet]
        out.append(code)
        length += len(code)
    if line[-1:] in (b" ", b"\t"):
        out[-1] = b"=%02X" % line[-1]
    return b"".join(out) + b"\r\n"
