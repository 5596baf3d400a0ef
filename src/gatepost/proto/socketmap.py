"""The protocol of socketmap: tables, sans-IO (socketmap_table(5)): one netstring each way."""

from collections.abc import Iterable

from gatepost.proto.exchange import Exchange, ProtocolError
from gatepost.proto.table_answer import Refused, TableAnswer

_REFUSALS = frozenset((b"TEMP", b"TIMEOUT", b"PERM"))


def netstring(octets: bytes) -> bytes:
    """The length in decimal, a colon, the octets, a comma."""
    return b"%d:%s," % (len(octets), octets)


class SocketmapQuery(Exchange[TableAnswer]):
    """`query`: the name of a map, a space and a key; the answer is its value. `longest`: octets of a reply, without the netstring
    around it."""

    def __init__(self, query: bytes, longest: int) -> None:
        self._request = netstring(query)
        self._longest = longest
        self._digits = len(str(longest))
        self._buffer = bytearray()
        self._length: int | None = None

    def question(self) -> Iterable[bytes]:
        return (self._request,)

    def feed(self, octets: bytes) -> bytes:
        buffer = self._buffer
        buffer += octets
        if self._length is None:
            self._length = self._read_length()
        if self._length is not None and len(buffer) > self._length:
            if buffer[self._length] != ord(","):
                raise ProtocolError("a netstring that does not end with a comma")
            self.finish(_answer(bytes(buffer[: self._length])), reusable=len(buffer) == self._length + 1)
        return b""

    def _read_length(self) -> int | None:
        digits, colon, _ = self._buffer[: self._digits + 1].partition(b":")
        if (digits and not digits.isdigit()) or (colon and not digits) or (digits[:1] == b"0" and len(digits) > 1):
            raise ProtocolError("no netstring")
        if not colon:
            if len(digits) > self._digits:
                raise ProtocolError("a netstring without its length")
            return None
        if int(digits) > self._longest:
            raise ProtocolError(f"a reply of more than {self._longest} octets")
        del self._buffer[: len(digits) + 1]
        return int(digits)


def _answer(reply: bytes) -> TableAnswer:
    status, _, text = reply.partition(b" ")
    if status == b"OK":
        return text
    if status == b"NOTFOUND":
        return None
    if status in _REFUSALS:
        return Refused(reply.decode("utf-8", "replace").strip())
    raise ProtocolError("a reply that is neither OK, NOTFOUND, TEMP, TIMEOUT nor PERM")
