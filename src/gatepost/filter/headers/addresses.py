"""Addresses and display names of a header as rules see them (perldoc Mail::SpamAssassin::PerMsgStatus, get).

This reads what is there, valid or not, and says what SpamAssassin would; `mail/header_address.py` is for rewriting addresses as
Postfix does it.
"""

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

_TOKEN: Final = re.compile(
    rb"""(?P<quoted>"(?:[^"\\]|\\.)*")
    | (?P<comment>\((?:[^()<\\]|\\.|\([^()<]*\))*\))
    | (?P<angle><(?:[^<>]|>[,;]?<)*>)
    | (?P<comma>[,;])
    | (?P<colon>:)
    | (?P<text>[^"(<,;:]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_ADDRESS: Final = re.compile(rb"""\s*((?:"[^"]+"|[^\s<>@:,;"()\[\]]+)@[^\s<>@:,;"()]*)\s*(?:\Z|@)""")
_BARE: Final = re.compile(rb"""([^\s<>@:,;"()\[\]]+@[^\s<>@:,;"()]+)(?:\Z|@)""")
_PAIR: Final = re.compile(rb"\\(.?)", re.DOTALL)


_SIMPLE: Final = re.compile(
    rb"""\s*+(?:"([^"\\<>,]*+)"\s*+|([^"'<>@,;:()\\=]*+))<([^\s<>@:,;"()\[\]]++@[^\s<>@:,;"()\[\]]++)>\s*+\Z"""
    rb"""|\s*+([^\s<>@:,;"()\[\]]++@[^\s<>@:,;"()\[\]]++)\s*+\Z"""
)
"""One address in the form that nearly all have."""


class Mailbox(Struct, frozen=True, array_like=True, gc=False):
    """An address and the name beside it, as it stands; None: there is none."""

    address: bytes | None
    name: bytes | None


def mailboxes(value: bytes) -> Iterator[Mailbox]:
    """What an unfolded value lists."""
    if simple := _SIMPLE.match(value):
        quoted, plain, angle, bare = simple.groups()
        name = b" ".join((quoted or plain or b"").split())
        if quoted is None or (name and not name.startswith(b"'")):
            yield Mailbox(angle or bare, name or None)
            return
    entry = _Entry()
    for token in _TOKEN.finditer(value):
        if token.lastgroup == "comma":
            yield from entry.mailboxes()
            entry = _Entry()
        else:
            entry.add(token.lastgroup or "text", token[0])
    yield from entry.mailboxes()


class _Entry:
    """What stands between two commas."""

    def __init__(self) -> None:
        self.phrase: list[bytes] = []
        self.comment: bytes | None = None
        self.angles: list[bytes] = []
        self.behind = False
        self.bare = True
        self.quoted = False

    def add(self, kind: str, text: bytes) -> None:
        if kind == "comment":
            if not self.angles and not b"".join(self.phrase).strip():
                self.bare = False
            elif self.comment is None:
                self.comment = text[1:-1]
        elif kind == "colon" and not self.angles:
            self.phrase = []
        elif kind == "angle":
            self.angles.append(text[1:-1])
        elif self.angles:
            self.behind = self.behind or bool(text.strip())
        else:
            self.quoted = self.quoted or kind == "quoted"
            self.phrase.append(_PAIR.sub(rb"\1", text[1:-1]) if kind == "quoted" else b"" if text == b'"' else text)

    def mailboxes(self) -> Iterator[Mailbox]:
        phrase = b" ".join(b"".join(self.phrase).split())
        if self.angles:
            name = None if self.behind else _unquoted(phrase) or self.comment or (b" " if self.quoted or not self.bare else None)
            angles = self.angles if self.behind else self.angles[:1]
            for angle in angles:
                match = _ADDRESS.match(angle)
                yield Mailbox(match[1] if match else None, name)
        elif self.bare and (match := _BARE.match(phrase)):
            yield Mailbox(match[1], self.comment)
        elif phrase:
            yield Mailbox(None, _unquoted(phrase))


def _unquoted(name: bytes) -> bytes:
    """A name without one pair of single quotes around it."""
    return name[1:-1] if len(name) > 1 and name[:1] == name[-1:] == b"'" else name
