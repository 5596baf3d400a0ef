"""The protocol of saslauthd's socket (mux), sans-IO: four counted strings, one back; then the server closes."""

from collections.abc import Iterable

from gatepost.proto.exchange import Exchange, ProtocolError

LONGEST = 256
"""Octets of a string that saslauthd takes; it hangs up on whoever says more."""


class SaslauthdQuery(Exchange[bool]):
    """Is that the password of a user? A guess may count there, so that it is not asked twice."""

    idempotent = False

    def __init__(self, login: bytes, password: bytes, service: bytes, realm: bytes) -> None:
        self._words = login, password, service, realm
        self._heard = b""

    def question(self) -> Iterable[bytes]:
        return (b"".join(len(word).to_bytes(2, "big") + word for word in self._words),)

    def feed(self, octets: bytes) -> bytes:
        self._heard += octets
        length = int.from_bytes(self._heard[:2], "big")
        if len(self._heard) > 2 + length >= 4 or (len(self._heard) >= 2 and length < 2):
            raise ProtocolError("an answer that is neither OK nor NO")
        if len(self._heard) == 2 + length:
            self._read(self._heard[2:4])
        return b""

    def _read(self, word: bytes) -> None:
        if word not in (b"OK", b"NO"):
            raise ProtocolError("an answer that is neither OK nor NO")
        self.finish(word == b"OK", reusable=False)
