"""Replies of an SMTP or LMTP server, read from bytes as they come (RFC 5321 §4.2).

Tolerant of what servers do wrong (bare line feeds, no text, differing codes in one reply: the last line's counts), but
bounded: a line and a reply have a largest length beyond which the rest is dropped, and a reply that never ends is an error.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from msgspec import Struct

LINE_LIMIT = 2048
"""Octets of a reply line that are kept (Postfix's line_length_limit)."""
REPLY_LIMIT = 10 * LINE_LIMIT
"""Octets of a whole reply that are kept."""
LINES_LIMIT = 1000
"""Lines after which a reply is taken for one that never ends."""

_ENHANCED = re.compile(r"\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})(?= |\Z)")


Edit = Callable[[bytes], bytes]
"""A line of a reply, without its end, to the line in its place."""


class MalformedReply(Exception):
    """What came is not a reply (RFC 5321 §4.2). The text shows the start of it, printable."""


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
    (smtp_reply_filter); it may raise MalformedReply."""

    __slots__ = ("_edit", "_kept", "_lines", "_rest", "_skipping")

    def __init__(self, edit: Edit | None = None) -> None:
        self._edit = edit
        self._rest = b""
        self._skipping = False  # the rest of an overlong line is being dropped
        self._lines: list[bytes] = []
        self._kept = 0

    @property
    def empty(self) -> bool:
        """Whether no part of a reply is waiting for its end."""
        return not self._rest and not self._lines and not self._skipping

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
            self._line(line.removesuffix(b"\r"), replies)
        if len(self._rest) > LINE_LIMIT:
            self._cut(replies)
        return replies

    def _cut(self, replies: list[Reply]) -> None:
        """Keep the start of a line that is too long, drop what follows up to its end."""
        if not self._skipping:
            self._skipping = True
            self._line(self._rest[:LINE_LIMIT], replies)
        self._rest = b""

    def _line(self, line: bytes, replies: list[Reply]) -> None:
        if self._edit is not None:
            line = self._edit(line)
        if not line[:3].isdigit() or len(line) < 3 or line[3:4] not in (b" ", b"-", b""):
            raise MalformedReply(printable(line[:100]))
        if line[3:4] == b"-":
            self._more(line)
            return
        if self._lines:
            self._more(line)
            replies.append(_joined(self._lines, line))
            self._lines = []
            self._kept = 0
            return
        replies.append(_single(line[:LINE_LIMIT]))

    def _more(self, line: bytes) -> None:
        """Take a line of a reply of several lines, as long as there is room."""
        if self._kept < REPLY_LIMIT:
            self._lines.append(line[:LINE_LIMIT])
            self._kept += len(line)
        else:
            self._kept += LINE_LIMIT
        if len(self._lines) > LINES_LIMIT or self._kept > LINES_LIMIT * LINE_LIMIT:
            raise MalformedReply("a reply without end")


@lru_cache(256)  # most replies of a server are always the same ones
def _single(line: bytes) -> Reply:
    text = printable(line)
    return Reply(int(line[:3]), text, text, (line[4:],))


def _joined(lines: list[bytes], last: bytes) -> Reply:
    text = " ".join(map(printable, lines))
    return Reply(int(last[:3]), text, printable(last), tuple(line[4:] for line in lines))
