"""The header section of a message as a list of logical headers over octets; the body is never touched.

RFC 5322 §2.2: a header is a name, a colon and a text that goes on in lines that begin with white space. As in Postfix,
white space before the colon is allowed, and a line that is neither a header nor a continuation ends the section.
"""

import re

from msgspec import Struct

from gatepost.mail.ascii_text import SPACE

# RFC 5322 §3.6.8: printable, but no colon; then white space that old mailers put before the colon.
_NAME = re.compile(rb"([!-9;-~]++)[ \t]*+\Z")

LINE_LIMIT = 2048
"""Octets of a line in which a header's colon is looked for (Postfix's line_length_limit, by which it reads mail)."""

# Names are few, but a client may invent as many as it likes: neither their number nor what they are made of goes without limit.
_KEYS_LIMIT = 1024
_LONGEST_KEPT = 64
_keys: dict[bytes, str] = {}


def key(name: bytes) -> str:
    """A header's name in lower case, for comparing; empty where `name` (what stands before a colon) cannot be one."""
    known = _keys.get(name)
    if known is None:
        match = _NAME.match(name) if len(name) < LINE_LIMIT else None
        known = match[1].decode("ascii").lower() if match else ""
        if len(name) <= _LONGEST_KEPT:
            if len(_keys) >= _KEYS_LIMIT:
                _keys.clear()
            _keys[name] = known
    return known


def is_header(text: bytes) -> bool:
    """Whether `text` begins as a header does."""
    name, colon, _ = text.partition(b":")
    return bool(colon and key(name))


_LINE_END = re.compile(rb"\r\n|\r|\n")


def single(text: bytes) -> bytes:
    """`text` as one header in wire form, whatever line ends and NULs it has: what follows the first line goes on with a blank, so
    that it never becomes another header or a body. Empty where it is no header."""
    first, *more = [line for line in _LINE_END.split(text.replace(b"\0", b"")) if line.strip(b" \t")] or [b""]
    if not is_header(first):
        return b""
    folded = [line if line[:1] in (b" ", b"\t") else b"\t" + line for line in more]
    return b"".join(line + b"\r\n" for line in (first, *folded))


class Header(Struct, frozen=True, array_like=True, gc=False):
    """A logical header: `key` its name in lower case, `raw` its octets with continuation lines and CRLF line ends."""

    key: str
    raw: bytes

    @property
    def text(self) -> tuple[str, str]:
        """(name as written, what follows the colon) as text: lines end in LF, none at the end, octets that are not UTF-8 as
        surrogate escapes."""
        name, _, text = self.raw.removesuffix(b"\r\n").replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape").partition(":")
        return name.rstrip(SPACE), text

    @property
    def value(self) -> bytes:
        """What follows the colon, without the white space before it and the final line end."""
        return self.raw[self.raw.index(b":") + 1 :].strip(b" \t\r\n")


class Section(Struct, frozen=True):
    """A header section. `end`: where what follows begins (the empty line, or the first line of a body without one).
    `complete`: the end was seen; else the section might go on. `last`: where its last header begins."""

    headers: list[Header]
    end: int
    complete: bool
    last: int


def split(data: bytes, start: int = 0) -> Section:
    """The header section that begins at `start` of `data`, whose lines end in CRLF. To look again at one that was not complete,
    when more of it has come, `start` may be its `last`."""
    stop = start if data.startswith(b"\r\n", start) else data.find(b"\r\n\r\n", start) + 2
    complete = stop >= start + 2 or stop == start
    lines = data[start : stop if complete else len(data)].split(b"\r\n")
    tail = lines.pop()
    begun: list[tuple[str, int]] = []
    spaced: dict[int, int] = {}
    position = start
    for line in lines:
        if line[:1] not in _BLANK or not begun:
            name, colon, _ = line.partition(b":")
            known = key(name) if colon else ""
            if not known:
                complete, tail = True, b""
                break
            if len(name) > len(known):
                spaced[position] = len(name)
            begun.append((known, position))
        position += len(line) + 2
    if tail and tail[:1] not in _BLANK and not _may_be_header(tail):
        complete = True
    headers = _sliced(data, begun, position)
    if spaced:
        headers = [_tight(one, spaced.get(at)) for one, (_, at) in zip(headers, begun, strict=True)]
    return Section(headers, position, complete, begun[-1][1] if begun else start)


def _sliced(data: bytes, begun: list[tuple[str, int]], end: int) -> list[Header]:
    ends = [start for _, start in begun[1:]]
    ends.append(end)
    return [Header(key, data[start:stop]) for (key, start), stop in zip(begun, ends, strict=False)]


def _tight(header: Header, colon: int | None) -> Header:
    """As Postfix does it: `Name : text` goes on as `Name: text`, so that no check of it is passed by. `colon`: where it stands, if
    not behind the name."""
    return header if colon is None else Header(header.key, header.raw[: len(header.key)] + header.raw[colon:])


def gathered(header: Header, limit: int) -> Header:
    """`header` with no more than Postfix's cleanup looks at in checks (header_size_limit): whole lines, the last of them the one
    with which there are `limit` octets, line ends counting as one. It reads a long line in pieces of LINE_LIMIT."""
    kept: list[bytes] = []
    size = 0
    for line in header.raw[:-2].split(b"\r\n"):
        if size >= limit:
            break
        kept.append(line[: -(-(limit - size) // LINE_LIMIT) * LINE_LIMIT])
        size += len(kept[-1]) + 1
    return Header(header.key, b"\r\n".join(kept) + b"\r\n")


def cut(header: Header, limit: int) -> Header:
    """`header` with no more than Postfix's cleanup keeps of it (header_size_limit): `limit` octets, line ends counting as one, and
    none of a folded line once nine tenths are there."""
    first, *folded = header.raw[:-2].split(b"\r\n")
    kept = [first[:limit]]
    size = len(kept[0])
    for line in folded:
        if size >= limit * 9 // 10:
            break
        kept.append(line[: limit - size - 1])
        size += len(kept[-1]) + 1
    return Header(header.key, b"\r\n".join(kept) + b"\r\n")


_BLANK = frozenset((b" ", b"\t"))


def _may_be_header(beginning: bytes) -> bool:
    name, _, _ = beginning.partition(b":")
    return not beginning or key(name) != ""
