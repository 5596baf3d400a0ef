"""The server's end of spamd's protocol, sans-IO: what a client asks, and the forms of what it is answered (spamd/PROTOCOL of
SpamAssassin, spamc(1)); the client's end is spamd.py.

A connection is for one request: a line with the command, headers, an empty line, the message. Its end is where Content-length says,
else where the client sends no more. Words of refusals are those of spamd 4.0.1.
"""

import enum
import re
from typing import Final

from msgspec import Struct

HEAD_LIMIT: Final = 8192
"""Octets of the command and its headers."""
USER_LIMIT: Final = 64

_COMMAND: Final = re.compile(r"([A-Z_]{1,20}) SPAMC/1\.[0-9]{1,2}")
_HEADER: Final = re.compile(r"([A-Za-z][A-Za-z-]{0,40}): *(.*?) *")
_LENGTH: Final = re.compile(r"[0-9]{1,15}")
_USER: Final = re.compile(rf"[A-Za-z0-9_.@+-]{{1,{USER_LIMIT}}}")
_UNPRINTABLE: Final = re.compile(r"[^ -~]")
_SHOWN: Final = 100


class Code(enum.IntEnum):
    """Of an answer (sysexits.h, and spamd's own EX_TIMEOUT)."""

    OK = 0
    DATAERR = 65
    UNAVAILABLE = 69
    TEMPFAIL = 75
    PROTOCOL = 76
    TIMEOUT = 79


class Command(enum.StrEnum):
    """What a client may want."""

    PING = "PING"
    SKIP = "SKIP"
    CHECK = "CHECK"
    SYMBOLS = "SYMBOLS"
    REPORT = "REPORT"
    REPORT_IFSPAM = "REPORT_IFSPAM"
    PROCESS = "PROCESS"
    HEADERS = "HEADERS"
    TELL = "TELL"


NO_MESSAGE: Final = frozenset((Command.PING, Command.SKIP))
"""Commands after which no message is awaited."""


class Refusal(Exception):
    """What a client is told instead of an answer."""

    def __init__(self, code: Code, words: str) -> None:
        super().__init__(words)
        self.code = code

    @property
    def answer(self) -> bytes:
        """In wire form."""
        return f"SPAMD/1.0 {self.code} {self}\r\n".encode("ascii", "replace")


class Asked(Struct, frozen=True):
    """What a client wants. `user`: whose preferences it asks for, empty where that is no name; `message`: as it came."""

    command: Command
    user: str
    message: bytes


class RequestReader:
    """One request, however it is cut. `most`: octets of a message."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._octets = bytearray()
        self._head: _Head | None = None

    @property
    def held(self) -> int:
        """Octets that are kept."""
        return len(self._octets)

    def feed(self, octets: bytes) -> Asked | None:
        """What is asked, where it is known before the client sends no more. Raises Refusal."""
        seen = max(len(self._octets) - 3, 0)
        self._octets += octets
        if self._head is None and not self._has_head(seen):
            return None
        head = self._head
        assert head is not None, "it was just read"
        if head.command in NO_MESSAGE:
            return Asked(head.command, head.user, b"")
        if max(len(self._octets), head.length or 0) > self._most:
            raise Refusal(Code.DATAERR, f"message larger than {self._most} octets")
        if head.length is None or len(self._octets) < head.length:
            return None
        return self.ended()

    def ended(self) -> Asked:
        """What is asked; the client sends no more. Raises Refusal."""
        head, got = self._head, len(self._octets)
        if head is None:
            raise _bad("(EOF during headers)")
        if head.length is not None and head.length != got:
            raise _bad(f"(Content-Length mismatch: Expected {head.length} bytes, got {got} bytes)")
        return Asked(head.command, head.user, bytes(self._octets))

    def _has_head(self, seen: int) -> bool:
        end = self._octets.find(b"\r\n\r\n", seen, HEAD_LIMIT)
        if end >= 0:
            self._head = _head(self._octets[:end].decode("latin-1").split("\r\n"))
            del self._octets[: end + 4]
        elif len(self._octets) >= HEAD_LIMIT:
            raise _bad("(headers without end)")
        return end >= 0


class _Head(Struct, frozen=True):
    command: Command
    user: str
    length: int | None


def _head(lines: list[str]) -> _Head:
    """Raises Refusal."""
    found = _COMMAND.fullmatch(lines[0])
    if found is None or found[1] not in Command.__members__:
        raise _bad(lines[0])
    user, length = "", None
    for line in lines[1:]:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise _bad("(header not in 'Name: value' format)")
        match header[1].lower():
            case "content-length" if not _LENGTH.fullmatch(header[2]):
                raise _bad("(Content-Length contains non-numeric bytes)")
            case "content-length":
                length = int(header[2])
            case "user":
                user = header[2] if _USER.fullmatch(header[2]) else ""
            case "compress":
                raise Refusal(Code.UNAVAILABLE, "Service Unavailable: compressed messages are not taken")
    return _Head(Command(found[1]), user, length)


def _bad(words: str) -> Refusal:
    return Refusal(Code.PROTOCOL, f"Bad header line: {_UNPRINTABLE.sub('?', words[:_SHOWN])}")


PONG: Final = b"SPAMD/1.5 0 PONG\r\n"


def answer(command: Command, *, is_spam: bool, score: float, required: float, size: int) -> bytes:
    """What goes before the body of an answer, which has `size` octets. CHECK has no body."""
    yes, no = ("Yes", "No") if command is Command.REPORT_IFSPAM else ("True", "False")
    length = "" if command is Command.CHECK else f"Content-length: {size}\r\n"
    verdict = f"Spam: {yes if is_spam else no} ; {score:.1f} / {required:.1f}"
    return f"SPAMD/1.1 0 EX_OK\r\n{length}{verdict}\r\n\r\n".encode()
