"""The protocol of clamd(8), sans-IO: one command a connection, delimited by NUL both ways.

A stream to be scanned goes out in chunks, each behind its length; the answer is a line. What clamd says of a signature behind its
name (hash and size in brackets, ExtendedDetectionInfo) is no part of the name.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec import Struct

from gatepost.proto.exchange import Exchange, ProtocolError

MOST_OCTETS: Final = 4096
"""Of an answer: a line with the name of a signature."""

CHUNK: Final = 65536
"""Octets that are sent at one time behind a length."""

_TOO_LARGE: Final = b"INSTREAM size limit exceeded"
_FOUND: Final = re.compile(rb"(?:stream|instream\(local\)|instream\([0-9a-fA-F.:]{1,60}@\d{1,5}\)): ([^\0\n]{1,1000}) FOUND")
_ERROR: Final = re.compile(rb"(?:stream: |instream\([^)\n]{1,80}\): )?([^\0\n]{0,1000}?) ?ERROR")
_DETAILS: Final = re.compile(rb"\([0-9a-f]{32,64}:\d{1,20}\)$")
_UNPRINTABLE: Final = re.compile(r"[^!-~]")


class Scanned(Struct, frozen=True):
    """clamd has looked at the stream. `found`: the name of the signature; empty: nothing."""

    found: str = ""


class TooLarge(Struct, frozen=True):
    """The stream is larger than StreamMaxLength (clamd.conf(5)); nobody has looked at it."""


class Failed(Struct, frozen=True):
    """clamd could not look at the stream, and says why."""

    why: str


Reply = Scanned | TooLarge | Failed


class _Line(Exchange[Reply]):
    """A command and its one line."""

    def __init__(self) -> None:
        self._heard = b""

    def feed(self, octets: bytes) -> bytes:
        self._heard += octets
        line, end, _ = self._heard.partition(b"\0")
        if end:
            self.finish(_reply(line), reusable=False)
        elif len(self._heard) > MOST_OCTETS:
            raise ProtocolError("a line without end")
        return b""

    def ended(self) -> None:
        """clamd may close behind the line without the NUL; a line that is cut short is no answer."""
        if self._heard.rstrip(b"\n").endswith((b"OK", b"FOUND", b"ERROR")):
            self.finish(_reply(self._heard), reusable=False)


class Instream(_Line):
    """`zINSTREAM`. `content`: gives the octets in pieces, from the beginning at each call."""

    def __init__(self, content: Callable[[], Iterable[bytes]]) -> None:
        super().__init__()
        self._content = content

    def question(self) -> Iterator[bytes]:
        yield b"zINSTREAM\0"
        for piece in self._content():
            for at in range(0, len(piece), CHUNK):
                chunk = piece[at : at + CHUNK]
                yield len(chunk).to_bytes(4, "big") + chunk
        yield bytes(4)


def _reply(line: bytes) -> Reply:
    """Raises ProtocolError for what clamd does not say."""
    line = line.rstrip(b"\n")
    if line == b"stream: OK":
        return Scanned()
    if found := _FOUND.fullmatch(line):
        return Scanned(_printable(_DETAILS.sub(b"", found[1])) or "unnamed")
    if line.startswith(_TOO_LARGE):
        return TooLarge()
    if error := _ERROR.fullmatch(line):
        return Failed(_printable(error[1], blanks=True).strip(" .") or "no reason given")
    raise ProtocolError("an answer that is neither OK, FOUND nor ERROR")


def _printable(text: bytes, *, blanks: bool = False) -> str:
    """ASCII that may stand in a log line and in a header."""
    decoded = text.decode("latin-1")
    return " ".join(_UNPRINTABLE.sub("?", word) for word in decoded.split(" ")) if blanks else _UNPRINTABLE.sub("?", decoded)
