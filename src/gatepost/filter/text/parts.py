"""The MIME structure of a message as its parts, transfer encodings undone.

Where parts begin and end says the one MIME walk (`mail/mime.py`). Several programs read a message that is built badly in several
ways, and who sends a virus builds it so; what is ambiguous is told of (CVE-2024-28054).
"""

import itertools
import re
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gatepost.filter.port import Ambiguity, Part
from gatepost.filter.text.entity_headers import PLAIN, entity_headers
from gatepost.filter.text.transfer import decoded
from gatepost.mail import mime
from gatepost.mail.mime import BodyFound, DelimiterFound, Found, HeaderFound, HeadersEnd, Walk


class Limits(Struct, frozen=True):
    """How much of a message is looked at; the rest is left out.

    nodes: parts, those that have parts of their own included.
    depth: levels of the tree.
    headers: octets of all headers of a part together.
    content: octets of all decoded contents together.
    walk: of the MIME walk.
    """

    nodes: int = 1000
    depth: int = 50
    headers: int = 1 << 20
    content: int = 64 << 20
    walk: mime.Limits = mime.Limits(header=1 << 16)


NORMAL: Final = Limits()


def parts(octets: bytes, limits: Limits = NORMAL) -> tuple[Part, ...]:
    """The nodes of the MIME tree in the order in which they begin, the message itself first.

    octets: the message, its lines ended by LF.
    """
    found: list[Part] = []
    left_out = False
    waiting: list[tuple[bytes, tuple[int, ...]]] = [(octets, ())]
    room = limits.content
    while waiting:
        message, path = waiting.pop()
        growing = _nodes(message, path, limits, limits.nodes - len(found))
        left_out |= growing.left_out
        for node in growing.nodes:
            part = _part(node, room)
            room -= len(part.content)
            left_out |= room <= 0
            found.append(part)
            if part.content and part.composite:
                waiting.append((part.content, (*part.path, 1)))
    if left_out and found:
        found[0] = replace(found[0], ambiguities=(*found[0].ambiguities, Ambiguity.LEFT_OUT))
    return tuple(sorted(found, key=_place))


_BLANK_LINES: Final = re.compile(rb"(\n(?:[ \t]*+\n){20})[ \t\n]*\n")
"""More blank lines in a row than anybody looks at; all but twenty are left out."""
_BLANK_BEGINNING: Final = re.compile(rb"[ \t\n]*\n")
_BEGINNING: Final = 19
"""Blank lines at the beginning of a part, the last of which are kept."""
_MESSAGES: Final = frozenset(("message/rfc822", "message/global"))


def _place(part: Part) -> tuple[int, ...]:
    return part.path


def _part(node: "_Node", room: int) -> Part:
    says = node.says
    raw = b"" if node.children else node.raw
    return Part(
        path=node.path,
        headers=tuple(node.headers),
        type=says.type,
        charset=says.charset,
        encoding=says.encoding,
        name=says.name,
        disposition=says.disposition,
        raw=raw,
        content=decoded(raw, says.encoding)[: max(room, 0)],
        composite=node.children > 0 or says.type in _MESSAGES,
        ambiguities=says.ambiguities,
    )


class _Node:
    """A part that has begun.

    room: octets that its headers may still have.
    children: how many parts it has.
    ended: a delimiter did, so that the line end before that is not its own (RFC 2046 section 5.1.1).
    """

    __slots__ = ("body", "children", "ended", "headers", "path", "room", "says")

    def __init__(self, path: tuple[int, ...], room: int) -> None:
        self.path = path
        self.room = room
        self.children = 0
        self.ended = False
        self.headers: list[tuple[bytes, bytes]] = []
        self.says = PLAIN
        self.body: list[bytes] = []

    def header(self, text: bytes) -> None:
        self.room -= len(text)
        if self.room >= 0:
            name, _, value = text.partition(b":")
            self.headers.append((name, value.removeprefix(b" ")))

    @property
    def raw(self) -> bytes:
        """The body, as SpamAssassin has it: without most of the blank lines of which there are many in a row."""
        text = b"".join(self.body).replace(b"\r\n", b"\n")
        if self.says.encoding != "base64":
            text = _BLANK_LINES.sub(rb"\1", text)
        if self.path and (blank := _BLANK_BEGINNING.match(text)):
            text = b"".join(blank[0].splitlines(keepends=True)[-_BEGINNING:]) + text[blank.end() :]
        return text.removesuffix(b"\n") if self.ended else text


def _nodes(message: bytes, path: tuple[int, ...], limits: Limits, most: int) -> "_Growing":
    walk = Walk(limits.walk, shown=True)
    growing = _Growing(path, limits, most)
    wire = message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    for found in itertools.chain(walk.feed(wire), walk.finish()):
        growing.take(found)
        if growing.full:
            break
    return growing


class _Growing:
    """The tree of a message as the walk goes along it. `left_out`: some of it is beyond the limits; `full`: all that follows is."""

    def __init__(self, path: tuple[int, ...], limits: Limits, most: int) -> None:
        self.nodes: list[_Node] = []
        self.left_out = False
        self.full = False
        self._limits = limits
        self._most = most
        self._sections: list[_Node] = []  # as the walk counts them
        self._begin(path)

    def _begin(self, path: tuple[int, ...]) -> None:
        self._node: _Node | None = _Node(path, self._limits.headers)
        self._in_headers = True
        self._sections.append(self._node)
        self.full = len(self.nodes) >= self._most
        if not self.full and len(path) <= self._limits.depth:
            self.nodes.append(self._node)
        else:
            self.left_out = True

    def _child(self, parent: _Node) -> None:
        parent.children += 1
        self._begin((*parent.path, parent.children))

    def take(self, found: Found) -> None:
        if isinstance(found, DelimiterFound):
            self._end()
            if not found.closing:
                self._child(self._sections[found.section])
        elif isinstance(found, BodyFound):
            if self._node and not self._in_headers and (found.offset or found.text != b"\r\n"):
                self._node.body.append(found.text)
        elif self._node:
            if not self._in_headers:
                self._child(self._node)
            self._headers(found, self._node)

    def _headers(self, found: HeaderFound | HeadersEnd, node: _Node) -> None:
        if isinstance(found, HeaderFound):
            node.header(found.text)
        else:
            node.says = entity_headers(node.headers, PLAIN)
            self._in_headers = False

    def _end(self) -> None:
        """A delimiter ends the present part."""
        if self._node:
            self._node.ended = True
        self._node = None
