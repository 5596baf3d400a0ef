"""The protocol of spamd, sans-IO: a message is shown to it, and it says what it scores (spamd/PROTOCOL of SpamAssassin).

Version 1.5. A connection is for one message. Of its commands SYMBOLS is used: the score and the names of the rules that hit.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from gatepost.proto.exchange import Exchange, ProtocolError

_STATUS = re.compile(rb"SPAMD/[0-9.]{1,9} +([0-9]{1,3}) +(.{0,200})")
_SPAM = re.compile(rb"spam: *(?:true|false|yes|no) *; *(-?[0-9.]{1,20}) */ *(-?[0-9.]{1,20})", re.IGNORECASE)
_NAME = re.compile(rb"[A-Za-z0-9_]{1,64}")

ANSWER_LIMIT = 65536
"""Octets of an answer."""


class SpamdAnswer(Struct, frozen=True):
    """What spamd says: `score`, `required`: points; `rules`: names of those that hit."""

    score: float
    required: float
    rules: tuple[str, ...]


class Symbols(Exchange[SpamdAnswer]):
    """A question about a message. `chunks`: gives its octets, `size` of them; it is asked anew for each try."""

    half_close = True

    def __init__(self, chunks: Callable[[], Iterator[bytes]], size: int) -> None:
        self._chunks = chunks
        self._size = size
        self._answer = bytearray()

    def question(self) -> Iterable[bytes]:
        """The command, then the message."""
        yield f"SYMBOLS SPAMC/1.5\r\nContent-length: {self._size}\r\n\r\n".encode()
        yield from self._chunks()

    def feed(self, octets: bytes) -> bytes:
        """Raises ProtocolError where the answer has no end."""
        self._answer += octets
        if len(self._answer) > ANSWER_LIMIT:
            raise ProtocolError("answer without end")
        return b""

    def ended(self) -> None:
        """The connection ends with the answer. Raises ProtocolError where that is none."""
        self.finish(parsed(bytes(self._answer)), reusable=False)


def parsed(octets: bytes) -> SpamdAnswer:
    """An answer. Raises ProtocolError with the words of the server, where it could not do it."""
    head, separator, body = octets.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    status = _STATUS.fullmatch(lines[0])
    if status is None:
        raise ProtocolError("no answer of a spamd")
    if int(status[1]):
        raise ProtocolError(status[2].decode("ascii", "replace"))
    spam = next((found for line in lines[1:] if (found := _SPAM.fullmatch(line))), None)
    if spam is None or not separator:
        raise ProtocolError("answer cut short")
    declared = next((line.partition(b":")[2].strip() for line in lines[1:] if line.lower().startswith(b"content-length:")), b"")
    if declared.isdigit() and int(declared[:9]) != len(body):
        raise ProtocolError("answer cut short")
    names = [name.decode() for name in re.split(rb"[,\s]+", body) if _NAME.fullmatch(name)]
    return SpamdAnswer(_points(spam[1]), _points(spam[2]), tuple(dict.fromkeys(names)))


def _points(text: bytes) -> float:
    try:
        points = float(text)
    except ValueError:
        points = math.nan
    if not math.isfinite(points):
        raise ProtocolError(f"{text.decode()} is no score")
    return points
