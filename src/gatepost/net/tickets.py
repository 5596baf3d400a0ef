"""Keys of TLS session tickets (RFC 5077 §4): out of secrets that all workers have, others for each service and for what it demands
of clients, others in each period. So a session goes on in another worker, and never on a service that asks more of clients than the
one where it began; and what a key protects is lost with it two periods later.

A secret makes keys for `max_age` seconds, and reads tickets for as long again; then it is forgotten. The next one is known a while
before it begins, so that no worker meets a ticket whose secret it has not heard of.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

SECRET: Final = 32
"""Octets of a secret."""
LEAD: Final = 60.0
"""Seconds, at most, that a secret is known before it begins."""
MOST: Final = 4
"""Secrets that are kept at a time, at most: one that reads, one that makes, one that comes, and one to spare."""
_NAME, _MAC, _CIPHER = 16, 32, 32


class Secret(Struct, frozen=True):
    """`begins`: when it makes its first key, seconds since 1970; `octets`: SECRET of them. Never in a repr."""

    begins: float
    octets: bytes

    def __repr__(self) -> str:
        return f"Secret({self.begins})"


def rotated(secrets: Sequence[Secret], now: float, max_age: float, random: Callable[[int], bytes]) -> tuple[Secret, ...]:
    """The secrets to have at `now`, oldest first: without those that are too old, or of a clock that went wrong, and with those
    that are due. `random`: gives so many octets."""
    lead = min(LEAD, max_age / 4)
    known = sorted((one for one in secrets if now - 2 * max_age < one.begins <= now + lead), key=lambda one: one.begins)
    if not any(now - max_age < one.begins <= now for one in known):
        known = [*(one for one in known if one.begins <= now), Secret(now, random(SECRET))]
    if known[-1].begins + max_age - now <= lead:
        known.append(Secret(known[-1].begins + max_age, random(SECRET)))
    return tuple(known[-MOST:])


class TicketKey(Struct, frozen=True):
    """`name`: how a ticket tells its key; `mac` for HMAC-SHA256, `cipher` for AES-256. Never in a repr."""

    name: bytes
    mac: bytes
    cipher: bytes

    def __repr__(self) -> str:
        return "TicketKey()"


class Tickets(Struct, frozen=True):
    """What the keys of a service come from. `secrets`: those there are now, oldest first; `service`: what tells it from others;
    `clock`: seconds since 1970."""

    secrets: Callable[[], Sequence[Secret]]
    service: str
    clock: Callable[[], float]

    def __repr__(self) -> str:
        return f"Tickets({self.service!r})"


class TicketKeys:
    """The keys of one service. `demand`: what it demands of clients, and all by which it judges them; `period`: seconds after which
    there is another key, the one before being read for one more."""

    def __init__(self, tickets: Tickets, demand: str, period: int) -> None:
        self._tickets = tickets
        self._purpose = f"gatepost session ticket\0{tickets.service}\0{demand}\0".encode()
        self._period = period
        self._keys: dict[tuple[bytes, int], TicketKey] = {}
        """By secret and number of the period: of the secrets that there are, and of this period and the one before."""
        self._kept_for: tuple[Sequence[Secret], int] = ((), 0)

    def current(self) -> TicketKey:
        """The key for new tickets. Raises LookupError where there is no secret."""
        secrets, now, number = self._now()
        return self._key(_making(secrets, now), number)

    def find(self, name: bytes) -> tuple[TicketKey | None, bool]:
        """The key of that name, where it is still good, and whether the ticket had better be made anew."""
        secrets, now, number = self._now()
        making = _making(secrets, now)
        for secret in (making, *(one.octets for one in secrets if one.octets != making)):
            for old in (False, True):
                if (key := self._key(secret, number - old)).name == name:
                    return key, old or secret != making
        return None, False

    def _now(self) -> tuple[Sequence[Secret], float, int]:
        """The secrets, the time and the number of its period. Keys whose secret or period is over are forgotten, as they are all
        that it takes to read what was recorded."""
        now = self._tickets.clock()
        secrets, number = self._tickets.secrets(), int(now) // self._period
        if self._kept_for != (secrets, number):
            self._kept_for = secrets, number
            known = {one.octets for one in secrets}
            self._keys = {at: key for at, key in self._keys.items() if at[0] in known and at[1] in (number, number - 1)}
        return secrets, now, number

    def _key(self, secret: bytes, number: int) -> TicketKey:
        key = self._keys.get((secret, number))
        if key is None:
            key = self._keys[secret, number] = self._derive(secret, number)
        return key

    def _derive(self, secret: bytes, number: int) -> TicketKey:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        purpose = self._purpose + str(number).encode()
        octets = HKDF(SHA256(), _NAME + _MAC + _CIPHER, salt=None, info=purpose).derive(secret)
        return TicketKey(octets[:_NAME], octets[_NAME : _NAME + _MAC], octets[_NAME + _MAC :])


def _making(secrets: Sequence[Secret], now: float) -> bytes:
    """The secret of which keys are made now. Raises LookupError where there is none."""
    return [one.octets for one in secrets if one.begins <= now or one is secrets[0]][-1]
