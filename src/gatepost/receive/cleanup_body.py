"""A body gone through line by line, with its MIME structure (RFC 2045, 2046): done only where something is to be checked.

Headers of parts go through mime_header_checks, those of attached messages through nested_header_checks, all other lines
through body_checks. The strict_* parameters refuse what RFC 2045 §2 and §6.4 do not allow.
"""

import enum
import re
from collections.abc import Iterable, Iterator

from gatepost.lookup.registry import Maps
from gatepost.mail.header import Header, is_header, key
from gatepost.receive.cleanup_checks import Checks
from gatepost.receive.cleanup_rules import Rules


class State(enum.Enum):
    """In which kind of text a line stands."""

    BODY = "body"
    PART_HEADER = "header of a MIME part"
    NESTED_HEADER = "header of an attached message"


_TYPE = re.compile(rb"\s*([^\s/;()]+)\s*/\s*([^\s;()]+)")
_BOUNDARY = re.compile(rb""";\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;()"]+))""", re.IGNORECASE | re.DOTALL)
_IDENTITY = frozenset((b"7bit", b"8bit", b"binary"))

BODY_8BIT = "improper use of 8-bit data in message body"
HEADER_8BIT = "improper use of 8-bit data in message header"
NESTING = "MIME nesting exceeds safety limit"
DOMAIN = "invalid message/* or multipart/* encoding domain"


class BodyWalk:
    """Walks one body. `headers`: the primary ones, which say how the body is built."""

    def __init__(self, rules: Rules, checks: Checks, headers: Iterable[Header]) -> None:
        self._rules = rules
        self._checks = checks
        self._boundaries: list[bytes] = []
        self._state = State.PART_HEADER
        self._held: list[bytes] = []
        self._offset = 0
        self._digest = False
        self._part()
        for header in headers:
            self._note(header.key, header.value, header.raw[:-2])

    def _part(self) -> None:
        """Begin a part whose headers say nothing yet (RFC 2045 §5.2; RFC 2046 §5.1.5 for a digest)."""
        self._type = (b"message", b"rfc822") if self._digest else (b"text", b"plain")
        self._boundary = b""
        self._encoding = b"7bit"

    async def feed(self, line: bytes) -> list[bytes]:
        """The lines that may go on after this one, without line ends: none while a header waits for its end."""
        if self._state is State.BODY or self._at_boundary(line):
            return [*await self._flush(), *await self._body(line)]
        if self._held and line[:1] in (b" ", b"\t"):
            self._held.append(line)
            return []
        out = await self._flush()
        if is_header(line):
            self._held.append(line)
            return out
        self._end_of_headers()
        return [*out, *await self._body(line)]

    async def finish(self) -> list[bytes]:
        """What is still held when the body ends."""
        return await self._flush()

    async def _flush(self) -> list[bytes]:
        """The header that waited, checked."""
        if not self._held:
            return []
        lines, self._held = self._held, []
        text = b"\n".join(lines)
        name, _, value = text.partition(b":")
        maps = self._header_maps()
        checking = self._checks.effects.checking and not maps.empty
        replaced = await self._checks.header(maps, text) if checking else None
        if replaced is None:
            self._note(key(name), value.strip(b" \t\n"), text)
            return lines
        return [line for one in replaced for line in one.split(b"\n")]

    def _header_maps(self) -> Maps:
        return self._checks.maps.nested if self._state is State.NESTED_HEADER else self._checks.maps.mime

    def _note(self, name: str, value: bytes, text: bytes) -> None:
        """Remember what a header says of the part; its name is in lower case."""
        if self._rules.strict_headers and not text.isascii():
            self._checks.mime_error(HEADER_8BIT, text)
        if name == "content-type" and (match := _TYPE.match(value)):
            self._type = (match[1].lower(), match[2].lower())
            found = _BOUNDARY.search(value)
            self._boundary = b"" if found is None else re.sub(rb"\\(.)", rb"\1", found[1]) if found[1] is not None else found[2]
        elif name == "content-transfer-encoding":
            self._encoding = value.split(b";")[0].split(b"(")[0].strip().lower()

    def _end_of_headers(self) -> None:
        """Decide what follows the headers of a part."""
        self._offset = 0
        self._state = State.BODY
        if self._rules.settings.disable_mime_input_processing:
            return
        kind, subtype = self._type
        composed = kind in (b"multipart", b"message")
        if composed and self._encoding not in _IDENTITY and self._rules.settings.strict_mime_encoding_domain:
            self._checks.mime_error(DOMAIN, self._encoding)
        if kind == b"multipart" and self._boundary:
            self._digest = subtype == b"digest"
            self._open(self._boundary)
        elif kind == b"message" and subtype in (b"rfc822", b"external-body", b"global"):
            self._state = State.NESTED_HEADER
            self._digest = False
            self._part()

    def _open(self, boundary: bytes) -> None:
        if len(self._boundaries) >= self._rules.settings.mime_nesting_limit:
            if self._rules.looks:
                self._checks.mime_error(NESTING, boundary)
            return
        self._boundaries.append(boundary[: self._rules.settings.mime_boundary_length_limit])

    def _at_boundary(self, line: bytes) -> bool:
        return bool(self._boundaries) and line.startswith(b"--") and self._matching(line) is not None

    def _matching(self, line: bytes) -> int | None:
        """Which open boundary the line is, innermost first."""
        for index in range(len(self._boundaries) - 1, -1, -1):
            if line.startswith(self._boundaries[index], 2):
                return index
        return None

    async def _body(self, line: bytes) -> list[bytes]:
        """A line that is no header."""
        if self._boundaries and line.startswith(b"--") and (index := self._matching(line)) is not None:
            closing = line.startswith(b"--", 2 + len(self._boundaries[index]))
            del self._boundaries[index if closing else index + 1 :]
            self._state = State.BODY if closing else State.PART_HEADER
            self._part()
            self._offset = 0
        elif self._rules.strict_body and self._encoding == b"7bit" and not line.isascii():
            self._checks.mime_error(BODY_8BIT, line)
        limit = self._rules.settings.body_checks_size_limit
        offset, self._offset = self._offset, self._offset + len(line) + 1
        checks = self._checks
        if not line or not checks.effects.checking or checks.maps.body.empty or (limit and offset >= limit):
            return [line]
        replaced = await checks.body(line)
        return [line] if replaced is None else replaced


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a content that comes in chunks, without their CRLF; the last one also where it has no end."""
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).split(b"\r\n")
        rest = lines.pop()
        yield from lines
    if rest:
        yield rest
