"""Replies of an SMTP or LMTP server, read from bytes as they come (RFC 5321 §4.2).

Tolerant of what servers do wrong, as Postfix is: bare line feeds, no text, differing codes in one reply (the last line's counts),
lines that are no reply (they are read past and become a part of the next reply's text). Bounded all the same: a line and a reply
have a largest length beyond which the rest is dropped, and a reply that never ends is an error.
"""

import enum
import re
from collections.abc import Callable
from functools import lru_cache

from msgspec import Struct

LINE_LIMIT = 2048
"""Octets of a reply line that are kept; lines of a reply are kept until they are more than that (Postfix's line_length_limit)."""
LINES_LIMIT = 10000
"""Lines after which a reply is taken for one that never ends."""
_ODDITIES_LIMIT = 10  # of a kind that are told of
_START = 100  # characters of a line that the log is told

_ENHANCED = re.compile(r"\d{3}[ -] *([245]\.\d{1,3}\.\d{1,3})(?= |\Z)", re.ASCII)


Edit = Callable[[bytes], bytes]
"""A line of a reply, without its end, to the line in its place."""


class MalformedReply(Exception):
    """What came is no use as a reply. The text says why, printable."""


class Odd(enum.Enum):
    """What the log is told of."""

    NOISE = "a line that is no reply"
    LONG_LINE = "a line beyond LINE_LIMIT"
    LONG_REPLY = "lines beyond LINE_LIMIT"


class Oddity(Struct, frozen=True):
    """Something odd about a reply. `start`: of the line, or of what had come before."""

    kind: Odd
    start: str


class Reply(Struct, frozen=True, gc=False):
    """One reply. `code`: its three digits; `text`: all lines with their codes, joined by spaces, unprintable octets as `?`;
    `last`: the last line, which is where an enhanced status code counts; `lines`: octets after code and separator, for EHLO."""

    code: int
    text: str
    last: str
    lines: tuple[bytes, ...]

    @property
    def cls(self) -> int:
        """The first digit."""
        return self.code // 100

    @property
    def enhanced(self) -> str:
        """The enhanced status code where the reply has one of its own class (RFC 3463), else empty."""
        found = _ENHANCED.match(self.last)
        return found[1] if found and found[1][0] == str(self.cls) else ""


def printable(octets: bytes) -> str:
    """Text of a reply as it may be logged and quoted: UTF-8, with control characters and stray octets as `?`."""
    text = octets.decode("utf-8", "replace").replace("\ufffd", "?")
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


class ReplyReader:
    """Takes octets, gives whole replies. Not to be fed any more after MalformedReply. `edit`: what to read in place of a line
    (smtp_reply_filter); it may raise MalformedReply. `oddities`: for the owner to tell of and to clear."""

    __slots__ = ("_count", "_edit", "_kept", "_lines", "_rest", "_skipping", "oddities")

    def __init__(self, edit: Edit | None = None) -> None:
        self._edit = edit
        self._rest = b""
        self._skipping = False  # the rest of an overlong line is being dropped
        self._lines: list[bytes] = []  # of the reply that is not complete yet, noise included
        self._count = 0  # how many there were
        self._kept = 0  # octets of those that were kept
        self.oddities: list[Oddity] = []

    @property
    def empty(self) -> bool:
        """Whether no part of a reply is waiting for its end."""
        return not self._rest and not self._count and not self._skipping

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that `data` completes. Raises MalformedReply."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if self._skipping and lines:
            self._skipping = False
            del lines[0]
            # The kept start of the overlong line was entered when it was cut.
        replies: list[Reply] = []
        for line in lines:
            self._line(line.rstrip(b"\r"), replies)
        if len(self._rest) > LINE_LIMIT:
            self._cut(replies)
        return replies

    def _cut(self, replies: list[Reply]) -> None:
        """Keep the start of a line that is too long, drop what follows up to its end."""
        if not self._skipping:
            self._skipping = True
            self._line(self._rest, replies)
        self._rest = b""

    def _line(self, line: bytes, replies: list[Reply]) -> None:
        if len(line) > LINE_LIMIT:
            line = line[:LINE_LIMIT]
            self._tell(Odd.LONG_LINE, line)
        if b"\0" in line:
            line = line[: line.index(b"\0")]  # where a line ends for Postfix, too
        if self._edit is not None:
            line = self._edit(line)
        separator = line[3:4] if line[:3].isdigit() and len(line) > 2 else b"?"
        if separator in (b" ", b""):
            if not self._count:
                replies.append(_single(line))
                return
            self._keep(line)
            replies.append(_joined(self._lines, line))
            self._lines, self._count, self._kept = [], 0, 0
            return
        if separator != b"-":
            self._tell(Odd.NOISE, line)
        self._keep(line)

    def _keep(self, line: bytes) -> None:
        """Take a line of a reply of several, as long as there is room."""
        self._count += 1
        if self._count > LINES_LIMIT:
            raise MalformedReply("a reply without end")
        if self._kept < LINE_LIMIT:
            if line or self._lines:  # empty lines at the start leave no mark
                self._kept += len(line) + bool(self._lines)
                self._lines.append(line)
        elif self._kept < LINE_LIMIT * LINES_LIMIT:
            self._kept = LINE_LIMIT * LINES_LIMIT  # said once
            self._tell(Odd.LONG_REPLY, b"\n".join(self._lines))

    def _tell(self, kind: Odd, line: bytes) -> None:
        if sum(odd.kind is kind for odd in self.oddities) < _ODDITIES_LIMIT:
            self.oddities.append(Oddity(kind, printable(line[:_START])))


@lru_cache(256)  # most replies of a server are always the same ones
def _single(line: bytes) -> Reply:
    text = printable(line)
    return Reply(int(line[:3]), text, text, (line[4:],))


def _joined(lines: list[bytes], last: bytes) -> Reply:
    """The reply of these lines, of which `last` may not have been kept. What is noise offers nothing."""
    text = " ".join(map(printable, lines))
    return Reply(int(last[:3]), text, printable(last), tuple(line[4:] for line in lines if _is_reply(line)))


def _is_reply(line: bytes) -> bool:
    return line[:3].isdigit() and line[3:4] in (b"-", b" ", b"")
