"""Packets: four octets of length, a letter, and data. The length counts the letter."""

from collections.abc import Iterable

from gatepost.proto.exchange import ProtocolError

Packet = tuple[int, bytes]
"""(letter, data)"""

LIMIT = 1_048_576
"""Octets of a packet that a filter may send; libmilter sends none over 64 KB, but some filters add headers that are larger."""

NUL = b"\0"


def packet(letter: int, data: bytes = b"") -> bytes:
    """A packet on the wire."""
    return (len(data) + 1).to_bytes(4, "big") + bytes((letter,)) + data


def strings(texts: Iterable[bytes]) -> bytes:
    """Strings, each ended by a NUL. A NUL within one, which would end it early, is sent as a blank."""
    return b"".join([text.replace(NUL, b" ") + NUL for text in texts])


def split_strings(data: bytes) -> list[bytes]:
    """The strings of a packet. Raises ProtocolError where the last one does not end."""
    if not data:
        return []
    if not data.endswith(NUL):
        raise ProtocolError("a string without end")
    return data[:-1].split(NUL)


class Reader:
    """Collects octets into packets. Those that are whole count, whatever comes behind them, so that it does not matter how the
    network has cut them."""

    __slots__ = ("_buffer", "_wrong")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wrong = -1

    @property
    def pending(self) -> bool:
        """Whether part of a packet has come in."""
        return bool(self._buffer)

    def check(self) -> None:
        """Raises ProtocolError where what comes next is no packet."""
        if self._wrong >= 0:
            raise ProtocolError(f"a packet of {self._wrong} octets")

    def feed(self, octets: bytes) -> list[Packet]:
        """The packets that are complete now. Raises ProtocolError where there is none before what is no packet."""
        buffer = self._buffer
        buffer += octets
        packets: list[Packet] = []
        at = 0
        while len(buffer) - at >= 4:
            length = int.from_bytes(buffer[at : at + 4], "big")
            if not 0 < length <= LIMIT:
                self._wrong = length
                break
            end = at + 4 + length
            if len(buffer) < end:
                break
            packets.append((buffer[at + 4], bytes(buffer[at + 5 : end])))
            at = end
        del buffer[:at]
        if not packets:
            self.check()
        return packets
