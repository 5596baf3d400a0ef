"""Keys of TLS session tickets (RFC 5077 §4): out of one secret that all workers have, others for each service and for what it
demands of clients, others in each period. So a session goes on in another worker, and never on a service that asks more of clients
than the one where it began; and what a key protects is lost with it two periods later.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from msgspec import Struct

SECRET: Final = 32
"""Octets of the common secret."""
_NAME, _MAC, _CIPHER = 16, 32, 32


class TicketKey(Struct, frozen=True):
    """`name`: how a ticket tells its key; `mac` for HMAC-SHA256, `cipher` for AES-256. Never in a repr."""

    name: bytes
    mac: bytes
    cipher: bytes

    def __repr__(self) -> str:
        return "TicketKey()"


class Tickets(Struct, frozen=True):
    """What the keys of a service come from. `secret`: SECRET octets; `service`: what tells it from others; `clock`: seconds since
    1970."""

    secret: bytes
    service: str
    clock: Callable[[], float]

    def __repr__(self) -> str:
        return f"Tickets({self.service!r})"


class TicketKeys:
    """The keys of one service. `demand`: what it demands of clients (`none`, `ask`, `require`); `period`: seconds after which
    there is another one, the one before being read for one more."""

    def __init__(self, tickets: Tickets, demand: str, period: int) -> None:
        self._tickets = tickets
        self._purpose = f"gatepost session ticket\0{tickets.service}\0{demand}\0".encode()
        self._period = period
        self._key = lru_cache(2)(self._derive)

    def current(self) -> TicketKey:
        """The key for new tickets."""
        return self._key(self._number())

    def find(self, name: bytes) -> tuple[TicketKey | None, bool]:
        """The key of that name, where it is still good, and whether the ticket had better be made anew."""
        number = self._number()
        for old in (False, True):
            if (key := self._key(number - old)).name == name:
                return key, old
        return None, False

    def _number(self) -> int:
        return int(self._tickets.clock()) // self._period

    def _derive(self, number: int) -> TicketKey:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        purpose = self._purpose + str(number).encode()
        octets = HKDF(SHA256(), _NAME + _MAC + _CIPHER, salt=None, info=purpose).derive(self._tickets.secret)
        return TicketKey(octets[:_NAME], octets[_NAME : _NAME + _MAC], octets[_NAME + _MAC :])
