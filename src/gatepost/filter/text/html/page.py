"""An HTML text gone along from its beginning to its end: what of it is read, seen and linked to, and facts of how it is written.

It is rendered as SpamAssassin does it: elements that stand apart give line ends or blanks, white space is one blank, what nobody
sees is kept apart. Whether tags match is not a question: an end ends what was opened last under its name, and all within.
"""

import itertools
import re
from collections import Counter
from typing import Final

from msgspec import Struct

from gatepost.filter.text.html import tokens
from gatepost.filter.text.html.attributes import attributes
from gatepost.filter.text.html.entities import unescaped
from gatepost.filter.text.html.links import ATTRIBUTES as LINKING
from gatepost.filter.text.html.links import Link, Links
from gatepost.filter.text.html.looks import PLAIN, TELLING, Look, look
from gatepost.filter.text.html.quirks import Quirks

_APART: Final = (
    dict.fromkeys(("p", "hr", "blockquote", "pre", "listing", "plaintext", "xmp", "title"), "\n\n")
    | dict.fromkeys(("br", "div"), "\n")
    | dict.fromkeys(("li", "td", "th", "dt", "dd", "embed", "h1", "h2", "h3", "h4", "h5", "h6"), " ")
)
"""What elements put between texts, at their beginning and their end."""
_SPACE: Final = re.compile(r"[ \t\n\r\f\x0b]+")
_BLANK: Final = ("", " ")
_HIDDEN: Final = frozenset(("script", "style"))
_LITERAL: Final = frozenset(("iframe", "xmp", "plaintext"))
"""Elements with text in which there are no references either."""
_READ: Final = TELLING | LINKING.keys() | {"img", "object", "meta"}
"""Elements whose attributes say something."""


_MOST: Final = 200_000
"""Tags and texts that are looked at."""


class Page(Struct, frozen=True):
    """text: all that is rendered; visible, invisible: what a reader sees of it, and what not.
    links: in the order in which they stand.
    anchors: the text of each `a`.
    facts: by SpamAssassin's names.
    plain: it was ASCII, but for references.
    """

    text: str
    visible: str
    invisible: str
    links: tuple[Link, ...]
    anchors: tuple[str, ...]
    facts: dict[str, object]
    plain: bool


def page(html: str, octets: int, *, plain: bool) -> Page:
    """`octets`: how long `html` was in its charset; `plain`: it is ASCII."""
    walk = _Walk()
    for kind, name, text in itertools.islice(tokens.tokens(html.replace("&nbsp;", " ")), _MOST):
        walk.take(kind, name, text)
    return walk.page(len(html), octets, plain=plain)


class _Walk:
    """What has been found so far. `open`: the elements that are, each with the look of the text before it."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._unseen: list[int] = []  # places in `pieces`
        self._after_text = False  # the last piece is text
        self._ragged = False  # and may end in blanks
        self._open: list[tuple[str, Look]] = []
        self._names: Counter[str] = Counter()  # of those that are open
        self._look = PLAIN
        self._seen = True
        self._quirks = Quirks()
        self._links = Links()
        self._titles: list[str] = []

    def take(self, kind: int, name: str, text: str) -> None:
        if kind == tokens.TEXT:
            self._text(text, name)
        elif kind == tokens.START:
            self._start(name, text)
        elif kind == tokens.END:
            self._end(name)
        elif kind == tokens.COMMENT:
            self._quirks.comment(text)
        else:
            self._quirks.declaration(name)

    def _apart(self, between: str) -> None:
        """Text ends and begins without blanks where an element stands apart."""
        if self._ragged:
            self._pieces[-1] = self._pieces[-1].rstrip(" ")
        self._pieces.append(between)
        self._after_text = self._ragged = False

    def _start(self, name: str, text: str) -> None:
        if (between := _APART.get(name)) is not None:
            self._apart(between)
        self._quirks.start(name)
        self._open.append((name, self._look))
        self._names[name] += 1
        if name == "title":
            self._titles.append("")
        if name in _READ:
            self._attributes(name, attributes(text) if text else {})

    def _attributes(self, name: str, found: dict[str, str]) -> None:
        self._quirks.attributes(name, found)
        self._links.start(name, found)
        if name in TELLING:
            self._see(look(name, found, self._look))
            if name == "font":
                self._quirks.size(self._look.size)

    def _see(self, look: Look) -> None:
        if look is not self._look:
            self._look = look
            self._seen = look.seen

    def _end(self, name: str) -> None:
        if (between := _APART.get(name)) is not None:
            self._apart(between)
        self._quirks.end(name)
        self._links.end(name)
        if not self._names[name]:
            return
        last = ""
        while last != name:
            last, before = self._open.pop()
            self._names[last] -= 1
        self._see(before)

    def _text(self, text: str, element: str) -> None:
        if element in _HIDDEN:
            return
        if element not in _LITERAL:
            text = unescaped(text)
        if element == "title":
            self._titles[-1] += text
        self._links.text(text)
        text = _SPACE.sub(" ", text)
        if self._after_text:
            self._quirks.joint(self._pieces[-1], text)
        hidden = not self._seen and text not in _BLANK
        if self._pieces and not self._after_text and not hidden:
            text = text.lstrip(" ")
        if hidden:
            self._quirks.unseen(self._look)
            self._unseen.append(len(self._pieces))
        self._pieces.append(text)
        self._after_text = True
        self._ragged = not hidden

    def page(self, characters: int, octets: int, *, plain: bool) -> Page:
        """All that was found in a text of so many characters."""
        text = "".join(self._pieces)
        unseen = set(self._unseen)
        anchors = tuple(self._links.anchors)
        facts = self._quirks.facts() | {
            "html": 1,
            "length": characters,
            "html_length": len(text),
            "non_space_len": len("".join(text.split())),
            "ratio": (octets - len(text)) / octets if octets else 0.0,
            "title": tuple([_octets(title) for title in self._titles]),
            "anchor": tuple([_octets(anchor) for anchor in anchors]),
        }
        return Page(
            text=text,
            visible="".join([piece for at, piece in enumerate(self._pieces) if at not in unseen]) if unseen else text,
            invisible="".join([self._pieces[at] for at in self._unseen]),
            links=tuple(self._links.found),
            anchors=anchors,
            facts=facts,
            plain=plain,
        )


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
