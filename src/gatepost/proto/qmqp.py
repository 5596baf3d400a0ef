"""QMQP, the server's side, sans-IO (https://cr.yp.to/proto/qmqp.html).

A client sends one netstring, which holds netstrings: the message, its sender, its recipients. The message is given on as it comes
in; what is kept is bounded. Failure: QmqpError says what is wrong; nothing can be read after it.
"""

import enum
from typing import Final

_ADDRESSES_LIMIT: Final = 4 << 20
"""Octets of all addresses of one message, each with its cost."""
_ADDRESS_COST: Final = 32
"""Octets that an address counts for beside its own: what is kept of an empty one is not nothing."""
_DIGITS: Final = 18
"""Of a length, at most."""


class Part(enum.StrEnum):
    """What comes next, as the log says it."""

    PACKET = "QMQP packet header"
    MESSAGE = "message content"
    SENDER = "sender address"
    RECIPIENT = "recipient address"
    NOTHING = "nothing"


class QmqpError(Exception):
    """What is wrong with what a client sent, fit for its reply."""


class QmqpReader:
    """What one client sends.

    - `part`: what comes next; NOTHING when all is there.
    - `sender`, `recipients`: as they came.

    `message_limit`: octets of a message, 0 for any; `address_limit`: octets of an address.
    """

    __slots__ = ("_address_limit", "_buffer", "_length", "_message_limit", "_room", "_total", "part", "recipients", "sender")

    def __init__(self, message_limit: int, address_limit: int) -> None:
        self.part = Part.PACKET
        self.sender = b""
        self.recipients: list[bytes] = []
        self._message_limit = message_limit or 10**_DIGITS
        self._address_limit = address_limit
        self._room = _ADDRESSES_LIMIT
        self._buffer = bytearray()
        self._total = 0
        """Octets of the packet that are still to come."""
        self._length: int | None = None
        """Octets of this part that are still to come, without its comma; None: its length is not known yet."""

    def feed(self, octets: bytes) -> bytes:
        """What of the message is in these octets. Raises QmqpError."""
        self._buffer += octets
        content = bytearray()
        while self.part is not Part.NOTHING:
            if self._length is None:
                if not self._begun():
                    break
            elif self.part is Part.MESSAGE and self._length:
                if not self._buffer:
                    break
                content += self._taken(min(len(self._buffer), self._length))
            elif len(self._buffer) <= self._length:
                break
            else:
                self._end(bytes(self._taken(self._length)))
        return bytes(content)

    def _begun(self) -> bool:
        """Read the length of this part; False where not all of it is there."""
        colon = self._buffer.find(b":", 0, _DIGITS + 1)
        digits = bytes(self._buffer[: colon if colon >= 0 else _DIGITS + 1])
        if colon == 0 or (digits and not digits.isdigit()) or (self.part is not Part.PACKET and not self._total):
            raise self._malformed()
        if len(digits) > _DIGITS:
            raise self._too_long()
        if colon < 0:
            return False
        del self._buffer[: colon + 1]
        if self.part is Part.PACKET:
            self._total, self.part = int(digits), Part.MESSAGE
        else:
            self._total -= colon + 1
            self._length = self._checked(int(digits))
        return True

    def _checked(self, length: int) -> int:
        """The length of a part, which must have room in the packet."""
        if length > (self._message_limit if self.part is Part.MESSAGE else min(self._address_limit, self._room)):
            raise self._too_long()
        if length + 1 > self._total:
            raise self._malformed()
        return length

    def _taken(self, count: int) -> bytearray:
        taken = self._buffer[:count]
        del self._buffer[:count]
        self._total -= count
        assert self._length is not None
        self._length -= count
        return taken

    def _end(self, value: bytes) -> None:
        """This part is complete but for its comma."""
        if self._buffer[:1] != b",":
            raise self._malformed()
        del self._buffer[:1]
        self._total -= 1
        self._length = None
        if self.part is Part.MESSAGE:
            self.part = Part.SENDER
            return
        self._room -= len(value) + _ADDRESS_COST
        if self.part is Part.SENDER:
            self.sender, self.part = value, Part.RECIPIENT  # of whom there may be none
        else:
            self.recipients.append(value)
        if not self._total:
            self.part = Part.NOTHING  # the packet's own comma tells nothing more

    def _malformed(self) -> QmqpError:
        return QmqpError(f"netstring format error while receiving {self.part}")

    def _too_long(self) -> QmqpError:
        return QmqpError(f"netstring length exceeds storage limit while receiving {self.part}")


class Verdict(enum.StrEnum):
    """How a reply begins."""

    TAKEN = "K"
    LATER = "Z"
    REFUSED = "D"


def reply(verdict: Verdict, text: str) -> bytes:
    """A reply on the wire."""
    octets = f"{verdict}{text}".encode("utf-8", "surrogateescape")
    return b"%d:%b," % (len(octets), octets)
