"""Whether a token is good, by asking whoever has made it (RFC 7662). What was said is kept for a short while, and never beyond the
token's own end: under a digest by which nothing can be tried elsewhere."""

import hashlib
import os
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import quote_plus, urlencode

import msgspec
from msgspec import Struct

from gatepost.auth.backends.token_claims import CannotSay, Claims, WrongToken
from gatepost.net.fair_slots import FairSlots
from gatepost.net.stream_port import Crowd, StreamFailure
from gatepost.proto.http import Request, Response
from gatepost.proto.sasl.port import Secret

LARGEST: Final = 16384
"""Octets of an answer."""
_REMEMBERED: Final = 2000
_CROWD: Final = Crowd(connections=50, share=10, waiting=500)
"""Questions of all clients, and of one."""
_NOT_ACTIVE: Final = "the token is not active"


class Introspection(Struct, frozen=True):
    """Where to ask, and who asks. `secret`: empty where the server wants none."""

    url: str
    client_id: str
    secret: Secret

    def request(self, token: bytes) -> Request:
        """The question about a token."""
        fields = {"token": token.decode("ascii"), "token_type_hint": "access_token"}
        headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")]
        if self.secret.octets:  # RFC 6749 §2.3.1
            login = f"{quote_plus(self.client_id)}:{quote_plus(self.secret.octets)}".encode()
            headers.append(("Authorization", f"Basic {b64encode(login).decode()}"))
        elif self.client_id:
            fields["client_id"] = self.client_id
        return Request(self.url, "POST", tuple(headers), urlencode(fields).encode())


class Introspected:
    """`fetch`: raises CannotSay; `keep`: seconds that an answer is kept; `turn`: seconds to wait for one's turn to ask; `clock`:
    seconds since 1970."""

    def __init__(
        self, server: Introspection, fetch: Callable[[Request], Awaitable[Response]], *, keep: float, turn: float,
        clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self._server = server
        self._fetch = fetch
        self._keep, self._turn = keep, turn
        self._clock = clock
        self._slots = FairSlots(_CROWD)
        self._key = os.urandom(32)
        self._known: OrderedDict[bytes, tuple[Claims | None, float]] = OrderedDict()

    async def claims(self, token: bytes, client: str) -> Claims:
        """What the server says of a token. `client`: whose question it is. Raises WrongToken, CannotSay."""
        digest = hashlib.blake2b(token, key=self._key, digest_size=32).digest()
        known, until = self._known.get(digest, (None, 0.0))
        if until <= self._clock():
            known = await self._in_turn(token, client)
            self._remember(digest, known)
        if known is None:
            raise WrongToken(_NOT_ACTIVE)
        return known

    async def probe(self) -> None:
        """Raises CannotSay where the server gives no answer about a token that is none."""
        await self._ask(b"gatepost-check")

    async def _in_turn(self, token: bytes, client: str) -> Claims | None:
        try:
            await self._slots.take_in_time(client, self._turn)
        except StreamFailure:
            raise CannotSay("too many tokens are being asked about") from None
        try:
            return await self._ask(token)
        finally:
            self._slots.give(client)

    async def _ask(self, token: bytes) -> Claims | None:
        """None: it is not active."""
        response = await self._fetch(self._server.request(token))
        if response.status == 401:
            raise CannotSay("introspection_url answers 401: it does not take client_id and client_secret")
        if response.status != 200:
            raise CannotSay(f"introspection_url answers {response.status}")
        try:
            found = msgspec.json.decode(response.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = None
        active = found.get("active") if isinstance(found, dict) else None
        if not isinstance(active, bool):
            raise CannotSay("introspection_url answers what is no introspection response (RFC 7662)")
        return found if active else None

    def _remember(self, digest: bytes, claims: Claims | None) -> None:
        until = self._clock() + self._keep
        expires = claims.get("exp") if claims is not None else None
        if isinstance(expires, int | float):
            until = min(until, expires)
        self._known[digest] = claims, until
        self._known.move_to_end(digest)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
