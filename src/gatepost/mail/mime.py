"""The MIME structure of a message, followed as its octets come (RFC 2045 §5, RFC 2046 §5): which of them are headers, and of what.

There is one walk for all who look into messages: the checks of headers and bodies, the conversion to 7 bit, `postmap -hbm`. It
knows what the structure needs and no more: types, transfer encodings, boundaries; nothing is decoded. It finds at least what
Postfix finds, so that nothing that Postfix checks goes by unchecked: of several boundaries each counts, a comment or a folded line
within one changes nothing. Work and memory are bounded: header_size_limit for a header, of which the rest is dropped,
mime_boundary_length_limit, mime_nesting_limit, and of a line as much as decides what it is.
"""

import enum
from collections.abc import Generator, Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gatepost.mail.content_type import content_type, transfer_encoding
from gatepost.mail.header import LINE_LIMIT, key


class Place(enum.Enum):
    """Where a header stands."""

    PRIMARY = "header of the message itself"
    PART = "header of a MIME part"
    NESTED = "header of an attached message"


class Limits(Struct, frozen=True):
    """header_size_limit and mime_boundary_length_limit (octets), mime_nesting_limit (boundaries that are open)."""

    header: int = 102400
    boundary: int = 2048
    nesting: int = 100


class Entity(Struct, frozen=True):
    """What headers say of what follows, or its defaults. `type` and `subtype` in lower case, empty in what belongs to no part;
    `encoding`: of the transfer; `domain`: what kind of data that leaves, `7bit`, `8bit` or `binary` (RFC 2045 §6.2)."""

    type: str = ""
    subtype: str = ""
    encoding: str = "7bit"
    domain: str = "7bit"

    @property
    def composite(self) -> bool:
        """Whether it has a structure of its own, so that its encoding is that of its parts (RFC 2045 §6.4)."""
        return self.type in ("multipart", "message")


class HeaderFound(Struct, frozen=True, gc=False):
    """A header that is complete. `name` in lower case; `text`: its lines with LF between them and none at the end, without white
    space before the colon."""

    place: Place
    name: str
    text: bytes


class HeadersEnd(Struct, frozen=True, gc=False):
    """A header section is complete, and says so much."""

    place: Place
    entity: Entity


class BodyFound(Struct, frozen=True, gc=False):
    """Octets that are no header: whole lines with their CRLF; but a very long line may come in pieces, and the last one may lack
    its end. `offset`: octets of this body before them, a line end counted as one."""

    text: bytes
    offset: int
    entity: Entity


class DelimiterFound(BodyFound, frozen=True, gc=False):
    """A line that is a delimiter; or the beginning of one that is very long. It delimits what the header section `section`, counted
    from 0 in the order in which they begin, said is in parts; `closing`: no further part of it follows."""

    section: int
    closing: bool


Found = HeaderFound | HeadersEnd | BodyFound

_NOTHING: Final = Entity()
_TEXT: Final = Entity("text", "plain")
_MESSAGE: Final = Entity("message", "rfc822")
_NESTS: Final = frozenset(("rfc822", "global"))
"""Subtypes of message/ that begin with headers (RFC 2046 §5.2.1, RFC 6532 §3.7)."""
_TELLING: Final = frozenset(("", "text", "message", "multipart"))
"""Types that say something of the structure; others leave what is known as it is."""
_ENCODED: Final = frozenset(("base64", "quoted-printable"))
_BLANK: Final = frozenset((b" ", b"\t"))


class _Boundary(Struct, frozen=True):
    """An open boundary. `opener`: how the lines begin that it delimits; `section`: which header section it stands in; `digest`:
    parts are messages unless they say otherwise (RFC 2046 §5.1.5)."""

    opener: bytes
    section: int
    digest: bool


class Boundaries:
    """Those that are open, the innermost last. Boundaries of one header section are on one level: a sender may use any of them, and
    does not close the others by it. `too_deep`: one was not followed, as too many were open."""

    def __init__(self, limits: Limits, *, shown: bool = False) -> None:
        self.too_deep = False
        self._limits = limits
        self._shown = shown
        self._open: list[_Boundary] = []
        self.openers: tuple[bytes, ...] = ()

    def add(self, boundary: bytes, section: int, *, digest: bool) -> None:
        """One that the present header section names."""
        if len(self._open) > self._limits.nesting:
            self.too_deep = True
        else:
            self._set([*self._open, _Boundary(b"--" + boundary[: self._limits.boundary], section, digest)])

    def delimit(self, data: bytes, at: int) -> bool:
        """Whether one of them begins at `at`, where a line does."""
        if not data.startswith(self.openers, at):
            return False
        if not self._shown:
            return True
        line = self._line(data, at)
        return line in self.openers or (line.endswith(b"--") and line[:-2] in self.openers)

    def _line(self, data: bytes, at: int) -> bytes:
        """The line at `at`, as far as it has come or matters, without white space at its end."""
        most = at + self._limits.boundary + 4
        end = data.find(b"\r\n", at, most)
        return data[at : end if end >= 0 else most].rstrip(b" \t")

    def passed(self, data: bytes, at: int) -> tuple[_Boundary, bool]:
        """The innermost one that begins at `at`, and whether it closes there; what was open inside it is over."""
        index = next(i for i in range(len(self._open) - 1, -1, -1) if self._begins(self._open[i].opener, data, at))
        found = self._open[index]
        closing = data.startswith(b"--", at + len(found.opener))
        if closing or index + 1 < len(self._open):
            beside = [other for other in self._open[index + 1 :] if other.section == found.section]
            kept = [*self._open[: index + (not closing)], *beside]
            if len(kept) < len(self._open):
                self._set(kept)
        return found, closing

    def _begins(self, opener: bytes, data: bytes, at: int) -> bool:
        if not data.startswith(opener, at):
            return False
        return not self._shown or self._line(data, at)[len(opener) :] in (b"", b"--")

    def _set(self, boundaries: list[_Boundary]) -> None:
        self._open = boundaries
        self.openers = tuple([boundary.opener for boundary in boundaries])


class Walk:
    """Follows one message from its first header on; or from the end of its header section, where `header` has been told of the
    headers in it. With `mime=False` all that follows that section is body.

    With `shown` it reads as most programs do that show mail, and not as Postfix: in the line of a delimiter nothing but white space
    follows, and an attached message with a transfer encoding is one body.
    """

    def __init__(self, limits: Limits, *, mime: bool = True, shown: bool = False) -> None:
        self.boundaries = Boundaries(limits, shown=shown)
        self._limits = limits
        self._mime = mime
        self._shown = shown
        self._place: Place | None = Place.PRIMARY  # None: in a body
        self._entity = _TEXT
        self._section = 0
        self._inside_line = False
        self._rest = b""
        self._held: list[bytes] = []  # the records of a header that may go on
        self._name = ""
        self._size = 0
        self._offset = 0

    def header(self, name: str, text: bytes) -> None:
        """Take note of a header of the present section, as HeaderFound has it."""
        if not self._mime:
            return
        if name == "content-type":
            self._content_type(text.partition(b":")[2])
        elif name == "content-transfer-encoding" and (known := transfer_encoding(text.partition(b":")[2])):
            self._entity = replace(self._entity, encoding=known[0], domain=known[1])

    def _content_type(self, value: bytes) -> None:
        found = content_type(value, loose=self._shown)
        if found.type in _TELLING:
            self._entity = replace(self._entity, type=found.type, subtype=found.subtype)
        for boundary in found.boundaries:
            self.boundaries.add(boundary, self._section, digest=found.subtype == "digest")

    def feed(self, data: bytes) -> Iterator[Found]:
        """What the next octets, cut anywhere, bring to light; to be gone through before more is fed."""
        return self._found(self._rest + data if self._rest else data, final=False)

    def finish(self) -> Iterator[Found]:
        """What is left when no more comes."""
        yield from self._found(self._rest, final=True)
        if self._place is not None:
            yield from self._flush(self._place)
            yield HeadersEnd(self._place, self._entity)

    def _found(self, data: bytes, *, final: bool) -> Iterator[Found]:
        at: int | None = 0
        self._rest = b""
        while at is not None and at < len(data):
            here = at
            if self._place is None or (self._inside_line and not self._held):
                at = yield from self._body(data, here, final=final)
            else:
                at = yield from self._record(data, here, self._place, final=final)
            if at is None:
                self._rest = data[here:]

    # Headers

    def _record(self, data: bytes, at: int, place: Place, *, final: bool) -> Generator[Found, None, int | None]:
        """A line among headers, or as much of it as Postfix looks at; where the next one begins, None where more has to come."""
        end = data.find(b"\r\n", at, at + LINE_LIMIT + 2)
        if end < 0 and len(data) - at <= LINE_LIMIT + 1 and not final:
            return None
        text = data[at:end] if end >= 0 else data[at : at + LINE_LIMIT]
        following = end + 2 if end >= 0 else at + len(text)
        if self._inside_line or (self._held and text[:1] in _BLANK):
            self._hold(text if self._inside_line else b"\n" + text)
        else:
            yield from self._flush(place)
            before, colon, after = text.partition(b":")
            self._name = key(before) if colon else ""
            if not self._name:
                return (yield from self._end(text, at, following, place))
            self._hold(before.rstrip(b" \t") + b":" + after)
        self._inside_line = end < 0
        return following

    def _hold(self, text: bytes) -> None:
        if self._size < self._limits.header:
            self._held.append(text)
            self._size += len(text)

    def _flush(self, place: Place) -> Iterator[Found]:
        if self._held:
            text = b"".join(self._held)
            self._held, self._size = [], 0
            self.header(self._name, text)
            yield HeaderFound(place, self._name, text)

    def _end(self, text: bytes, at: int, following: int, place: Place) -> Generator[Found, None, int]:
        """`text` is no header, so the section ends before it; where to go on."""
        yield HeadersEnd(place, self._entity)
        self._offset = 0
        self._place = None
        if text:
            return at  # a line of a body, for which nothing has been prepared
        entity = self._entity
        encoded = self._shown and entity.encoding in _ENCODED
        if self._mime and entity.type == "message" and entity.subtype in _NESTS and not encoded:
            self._begin(Place.NESTED, _TEXT)
        elif entity.type == "multipart":
            self._entity = _NOTHING
        yield self._text(b"\r\n")
        return following

    def _begin(self, place: Place, default: Entity) -> None:
        self._place, self._entity = place, default
        self._section += 1

    # Bodies

    def _text(self, text: bytes) -> BodyFound:
        found = BodyFound(text, self._offset, self._entity)
        self._offset += len(text) - text.count(b"\r\n")
        self._inside_line = not text.endswith(b"\n")
        return found

    def _body(self, data: bytes, at: int, *, final: bool) -> Generator[Found, None, int | None]:
        """Body text up to a delimiter, or a delimiter; where to go on, None where more has to come."""
        stop = self._stop(data, at, final=final)
        if stop > at:
            yield self._text(data[at:stop])
            return stop
        if self._inside_line or not self.boundaries.delimit(data, at) or (not final and self._undecided(data, at)):
            return None
        boundary, closing = self.boundaries.passed(data, at)
        if closing:
            self._entity, self._offset = _NOTHING, 0
        else:
            self._begin(Place.PART, _MESSAGE if boundary.digest else _TEXT)
        end = data.find(b"\r\n", at)
        stop = end + 2 if end >= 0 else at + len(boundary.opener) + 2 * closing
        line = self._text(data[at:stop])
        yield DelimiterFound(line.text, line.offset, line.entity, boundary.section, closing)
        return stop

    def _stop(self, data: bytes, at: int, *, final: bool) -> int:
        """Where body text ends for now: before a line that is a delimiter, or of which too little has come to know."""
        if self._place is not None and (end := data.find(b"\r\n", at)) >= 0:
            return end + 2  # the rest of the delimiter line
        if self._place is None and self.boundaries.openers:
            last = len(data) if final else data.rfind(b"\r\n", at)
            line = at if not self._inside_line and data.startswith(b"--", at) else _next_dashes(data, at)
            while line is not None:
                if self.boundaries.delimit(data, line) or (line > last and self._undecided(data, line)):
                    return line
                line = _next_dashes(data, line)
        return len(data) if final else len(data) - self._unfinished(data, at)

    def _undecided(self, data: bytes, line: int) -> bool:
        """Whether what has come of a line is too short to compare."""
        return len(data) - line < self._limits.boundary + 4 and data.find(b"\r\n", line) < 0

    def _unfinished(self, data: bytes, at: int) -> int:
        """Octets at the end that may be half a line end, or the first half of a delimiter's dashes."""
        if data.endswith(b"\r"):
            return 1
        begins_line = data.endswith(b"\r\n-") or (data[at:] == b"-" and not self._inside_line)
        return 1 if begins_line else 0


def _next_dashes(data: bytes, at: int) -> int | None:
    """Where the next line that begins with two dashes does."""
    end = data.find(b"\r\n--", at)
    return end + 2 if end >= 0 else None
