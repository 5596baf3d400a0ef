"""A body gone through with its MIME structure (`mail/mime.py`): done only where something is to be checked.

Headers of parts, and those about MIME wherever they stand, go through mime_header_checks, the other ones of attached messages
through nested_header_checks, all other lines through body_checks. The strict_* parameters refuse what RFC 2045 §2 and §6.4 do not
allow.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from gatepost.content.checks import Checks
from gatepost.mail.header import LINE_LIMIT, Header
from gatepost.mail.mime import BodyFound, Entity, Found, HeaderFound, HeadersEnd, Limits, Walk
from gatepost.net.turns import Turns

BODY_8BIT = "improper use of 8-bit data in message body"
HEADER_8BIT = "improper use of 8-bit data in message header"
NESTING = "MIME nesting exceeds safety limit"
DOMAIN = "invalid message/* or multipart/* encoding domain"

_UNCODED = frozenset(("partial", "external-body"))
"""Subtypes of message/ that have to be 7bit (RFC 2046 §5.2.2.1, §5.2.3)."""


class BodyRules(Struct, frozen=True):
    """How bodies are walked; without more said, to their last line, and nothing is refused.

    `limits`: of the walk.
    `mime`: whether the structure is followed (not disable_mime_input_processing).
    `checked`: octets of each body that body_checks see, 0 for all (body_checks_size_limit).
    `strict_body`, `strict_headers`: whether octets above 127 are refused where 7bit is declared (strict_8bitmime_body,
    strict_7bit_headers, strict_8bitmime).
    `strict_domain`: whether multipart and message with an encoding of their own are refused (strict_mime_encoding_domain).
    `strict_nesting`: whether a structure deeper than mime_nesting_limit is refused.
    """

    limits: Limits
    mime: bool = True
    checked: int = 0
    strict_body: bool = False
    strict_headers: bool = False
    strict_domain: bool = False
    strict_nesting: bool = False


class BodyWalk:
    """Walks one body. `headers`: the primary ones, which say how the body is built."""

    def __init__(self, rules: BodyRules, checks: Checks, headers: Iterable[Header]) -> None:
        self._rules = rules
        self._checks = checks
        self._walk = Walk(rules.limits, mime=rules.mime)
        self._turns = Turns()
        for header in headers:
            text = header.raw[:-2].replace(b"\r\n", b"\n")
            self._walk.header(header.key, text)
            self._note(text)

    async def feed(self, data: bytes) -> list[bytes]:
        """What may go on of the octets of the body so far, after these (cut anywhere)."""
        return await self._go_on(self._walk.feed(data))

    async def finish(self) -> list[bytes]:
        """The rest of it."""
        return await self._go_on(self._walk.finish())

    async def _go_on(self, founds: Iterator[Found]) -> list[bytes]:
        out: list[bytes] = []
        for found in founds:
            if self._turns.over():
                await self._turns.rest()
            if isinstance(found, BodyFound):
                await self._body(found, out)
            elif isinstance(found, HeaderFound):
                await self._header(found, out)
            else:
                self._end_of_headers(found)
        return out

    # Headers

    async def _header(self, header: HeaderFound, out: list[bytes]) -> None:
        self._note(header.text)
        maps = self._checks.maps.judging(header.place, header.name)
        checking = self._checks.effects.checking and not maps.empty
        replaced = await self._checks.header(maps, header.text) if checking else None
        for text in (header.text,) if replaced is None else replaced:
            out.append(text.replace(b"\n", b"\r\n") + b"\r\n")

    def _note(self, text: bytes) -> None:
        if self._walk.boundaries.too_deep and self._rules.strict_nesting:
            self._checks.mime_error(NESTING, text)
        if self._rules.strict_headers and not text.isascii():
            self._checks.mime_error(HEADER_8BIT, text)

    def _end_of_headers(self, end: HeadersEnd) -> None:
        if self._rules.strict_domain and _miscoded(end.entity):
            self._checks.mime_error(DOMAIN, end.entity.encoding.encode())

    # Bodies

    async def _body(self, found: BodyFound, out: list[bytes]) -> None:
        """Text that is no header; only its beginning is checked (body_checks_size_limit)."""
        text = found.text
        if self._rules.strict_body and found.entity.encoding == "7bit" and not text.isascii():
            self._checks.mime_error(BODY_8BIT, next(line for line in text.split(b"\r\n") if not line.isascii()))
        checks, limit = self._checks, self._rules.checked
        left = limit - found.offset if limit else len(text) + 1
        kept = at = 0
        while at < len(text) and left > 0 and checks.effects.checking and not checks.maps.body.empty:
            end = text.find(b"\r\n", at, at + LINE_LIMIT + 2)
            stop = end if end >= 0 else min(at + LINE_LIMIT, len(text))  # a longer line is checked in pieces, as in Postfix
            following = stop + 2 * (end >= 0)
            replaced = await checks.body(text[at:stop]) if stop > at else None
            if replaced is not None:
                out += (text[kept:at], *[line + b"\r\n" for line in replaced])
                kept = following
            left -= stop - at + (end >= 0)
            at = following
            if self._turns.over():
                await self._turns.rest()
        out.append(text[kept:])


def _miscoded(entity: Entity) -> bool:
    """Whether something composite has an encoding of its own (RFC 2045 §6.4)."""
    if entity.type == "message" and entity.subtype in _UNCODED:
        return entity.domain != "7bit"
    return entity.composite and entity.encoding != entity.domain
