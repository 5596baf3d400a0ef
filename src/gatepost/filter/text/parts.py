"""The MIME structure of a message as its parts, transfer encodings undone.

Where parts begin and end says the one MIME walk (`mail/mime.py`). Several programs read a message that is built badly in several
ways, and who sends a virus builds it so; what is ambiguous is told of (CVE-2024-28054).
"""

from typing import Final

from msgspec import Struct

from gatepost.filter.port import Part
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
    waiting: list[tuple[bytes, tuple[int, ...]]] = [(octets, ())]
    room = limits.content
    while waiting:
        message, path = waiting.pop()
        for node in _nodes(message, path, limits, limits.nodes - len(found)):
            part = _part(node, room)
            room -= len(part.content)
            found.append(part)
            if part.content and part.composite:
                waiting.append((part.content, (*part.path, 1)))
    return tuple(sorted(found, key=_place))


_MESSAGES: Final = frozenset(("message/rfc822", "message/global"))


def _place(part: Part) -> tuple[int, ...]:
    return part.path


def _part(node: "_Node", room: int) -> Part:
    says = node.says
    raw = b"" if node.children else b"".join(node.body).replace(b"\r\n", b"\n")
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
    """

    __slots__ = ("body", "children", "headers", "path", "room", "says")

    def __init__(self, path: tuple[int, ...], room: int) -> None:
        self.path = path
        self.room = room
        self.children = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.says = PLAIN
        self.body: list[bytes] = []

    def header(self, text: bytes) -> None:
        self.room -= len(text)
        if self.room >= 0:
            name, _, value = text.partition(b":")
            self.headers.append((name, value.removeprefix(b" ").replace(b"\n", b"")))


def _nodes(message: bytes, path: tuple[int, ...], limits: Limits, most: int) -> list[_Node]:
    walk = Walk(limits.walk, shown=True)
    growing = _Growing(path, limits, most)
    for found in walk.feed(message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")):
        growing.take(found)
    for found in walk.finish():
        growing.take(found)
    return growing.nodes


class _Growing:
    """The tree of a message as the walk goes along it. A part beyond the limits is followed, and not kept."""

    def __init__(self, path: tuple[int, ...], limits: Limits, most: int) -> None:
        self.nodes: list[_Node] = []
        self._limits = limits
        self._most = most
        self._sections: list[_Node] = []  # as the walk counts them
        self._begin(path)

    def _begin(self, path: tuple[int, ...]) -> None:
        self._node: _Node | None = _Node(path, self._limits.headers)
        self._in_headers = True
        self._sections.append(self._node)
        if len(self.nodes) < self._most and len(path) <= self._limits.depth:
            self.nodes.append(self._node)

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
        """A delimiter ends the present part; the line end before it is its own (RFC 2046 section 5.1.1)."""
        if self._node and self._node.body:
            self._node.body[-1] = self._node.body[-1].removesuffix(b"\r\n")
        self._node = None
