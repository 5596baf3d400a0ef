"""What the structure of a message needs of Content-Type and Content-Transfer-Encoding (RFC 2045 §5, §6; RFC 2231 §3, §4).

Read as Postfix reads them, which is leniently: comments may stand anywhere, a folded line in a quoted string is unfolded, a value
that should be quoted ends where it has to, and of several boundaries each is one.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from gatepost.mail.header_address import comment_end


class ContentType(Struct, frozen=True):
    """`type` and `subtype` in lower case, empty where there is none; `boundaries`: all that are named, in order."""

    type: str = ""
    subtype: str = ""
    boundaries: tuple[bytes, ...] = ()


# What parts words (RFC 2045 §5.1, tspecials; controls count as such). Octets are characters here, as in latin-1.
_SCANNER: Final = re.compile(
    r"""[ \t\r\n]++
    | (?P<end>;)
    | (?P<comment>\()
    | "(?P<quoted>(?:[^"\\]|\\.)*+)(?:"|\\?\Z)
    | (?P<special>[()<>@,:\\/\[\]?=\x01-\x1f\x7f])
    | (?P<word>[^()<>@,;:\\"/\[\]?=\x01-\x20\x7f]++)""",
    re.VERBOSE | re.DOTALL,
)
_LOOSE: Final = re.compile(r"[^;\s\"]++")
_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_WORDS: Final = 3
"""Tokens of a parameter that say anything: name, `=`, value."""

_DOMAINS: Final = {"7bit": "7bit", "8bit": "8bit", "binary": "binary", "base64": "7bit", "quoted-printable": "7bit"}
"""What kind of data a transfer encoding leaves (RFC 2045 §6.2)."""

_FIRST_WORD: Final = re.compile(r"[^()<>@,;:\\\".\[\]\x00-\x20\x7f]++")

_Token = tuple[str, str]


def content_type(value: bytes, *, loose: bool = False) -> ContentType:
    """The value of a Content-Type header, lines with LF between them. `loose`: a value that should be quoted ends at white space or
    a semicolon, as most programs have it that show mail; else where a word does."""
    segments = _segments(_text(value), loose=loose)
    first = next(segments, [])
    if not first or first[0][0] != "word":
        return ContentType(boundaries=()) if not first else ContentType("other")
    kind = first[0][1].lower()
    subtype = first[2][1].lower() if len(first) == _WORDS and first[1][1] == "/" and first[2][0] == "word" else ""
    return ContentType(kind, subtype, tuple(_boundaries(segments)) if kind == "multipart" else ())


def transfer_encoding(value: bytes) -> tuple[str, str] | None:
    """(encoding, domain) in lower case; None for one that nobody knows."""
    text = _text(value)
    at = 0
    while at < len(text) and text[at] in " \t\r\n(":
        at = comment_end(text, at) if text[at] == "(" else at + 1
    found = _FIRST_WORD.match(text, at)
    encoding = found[0].lower() if found else ""
    return (encoding, _DOMAINS[encoding]) if encoding in _DOMAINS else None


def _text(value: bytes) -> str:
    """Octets as characters, up to a NUL: that is where a C program stops, and so may whoever opens the message."""
    return value.partition(b"\0")[0].decode("latin-1")


def _segments(text: str, *, loose: bool = False) -> Iterator[list[_Token]]:
    """The first tokens, (kind, text), of what stands between semicolons."""
    tokens: list[_Token] = []
    at = 0
    while match := _SCANNER.match(text, at):
        at = match.end()
        kind = match.lastgroup
        if kind == "comment":
            at = comment_end(text, match.start())
        elif kind == "end":
            yield tokens
            tokens = []
        elif kind is not None and len(tokens) < _WORDS:
            value = _LOOSE.match(text, match.start()) if loose and len(tokens) == _WORDS - 1 and kind != "quoted" else None
            if value:
                at = value.end()
                tokens.append(("word", value[0]))
            else:
                tokens.append((kind, _unquoted(match["quoted"]) if kind == "quoted" else match[0]))
    yield tokens


def _unquoted(text: str) -> str:
    """The inside of a quoted string, its lines joined without the white space before their ends."""
    if "\n" in text:
        *lines, last = text.split("\n")
        text = "".join([line.rstrip(" \t\r") for line in lines]) + last
    return _PAIR.sub(r"\1", text) if "\\" in text else text


def parameters(value: bytes) -> dict[str, bytes]:
    """The parameters of a Content-Type or Content-Disposition by name in lower case, those in pieces put together and those with a
    charset decoded (RFC 2231); of several of a name the first."""
    segments = _segments(_text(value), loose=True)
    next(segments)
    found: dict[str, bytes] = {}
    pieces: dict[str, dict[int, bytes]] = {}
    for name, text in _named(segments):
        name, star, number = name.partition("*")
        if star:
            _piece(pieces.setdefault(name, {}), number, text)
        else:
            found.setdefault(name, text)
    return {name: _joined(several) for name, several in pieces.items()} | found


def _named(segments: Iterator[list[_Token]]) -> Iterator[tuple[str, bytes]]:
    for tokens in segments:
        if len(tokens) == _WORDS and tokens[0][0] == "word" and tokens[1][1] == "=":
            yield tokens[0][1].lower(), tokens[2][1].encode("latin-1")


def _boundaries(segments: Iterator[list[_Token]]) -> Iterator[bytes]:
    """The values of each `boundary`, and of one in pieces (`boundary*0=`), which Postfix does not know but others do."""
    pieces: dict[int, bytes] = {}
    for name, text in _named(segments):
        if name == "boundary":
            yield text
        elif name.startswith("boundary*"):
            _piece(pieces, name.partition("*")[2], text)
    if pieces:
        yield _joined(pieces)


def _piece(pieces: dict[int, bytes], number: str, text: bytes) -> None:
    """Take note of one of them; `number` is what its name has after the star."""
    digits = number.rstrip("*")
    place = int(digits) if digits.isdigit() and len(digits) < 4 else 0
    pieces.setdefault(place, _decoded(text, first=place == 0) if not digits or number.endswith("*") else text)


def _joined(pieces: dict[int, bytes]) -> bytes:
    return b"".join([text for _, text in sorted(pieces.items())])


def _decoded(value: bytes, *, first: bool) -> bytes:
    """An extended value (RFC 2231 §4), `charset'language'text` with octets as `%XX`."""
    if first and value.count(b"'") > 1:
        value = value.split(b"'", 2)[2]
    return unquote_to_bytes(value)
