"""Logins that a server has refused, so that it is not asked again with the same password (smtp_sasl_auth_cache_name).

Failure: where the store cannot answer nobody remembers anything, and the server is asked.
"""

import asyncio
import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from gatepost.proto.sasl.port import Credentials
from gatepost.proto.smtp.reply_reader import Reply
from gatepost.state.port import Space, StateStore, StateUnavailable

_SPACE: Final = Space("smtp_sasl_auth_cache")
_ITERATIONS: Final = 100_000
"""For the digest of a password: whoever has read the store still has to guess."""

_LONGEST: Final = 2000
"""Characters of a reply that are kept."""


class _Refused(Struct, frozen=True, array_like=True):
    salt: bytes
    password: bytes
    code: int
    text: str
    last: str


class RefusedLogins:
    """`lifetime`: seconds that one is remembered; `clock`: seconds since 1970."""

    def __init__(self, state: StateStore, lifetime: float, clock: Callable[[], float]) -> None:
        self._state = state
        self._lifetime = lifetime
        self._clock = clock

    async def find(self, host: str, who: Credentials) -> Reply | None:
        """What the server said to this login, where it was of this password."""
        try:
            entry = await self._state.get(_SPACE, _key(host, who))
            known = None if entry is None else msgspec.msgpack.decode(entry.value, type=_Refused)
        except (StateUnavailable, msgspec.MsgspecError):
            return None
        if known is None or not hmac.compare_digest(await _digest(who, known.salt), known.password):
            return None
        return Reply(known.code, known.text, known.last, ())

    async def remember(self, host: str, who: Credentials, reply: Reply) -> None:
        """The server has refused it."""
        salt = secrets.token_bytes(16)
        kept = _Refused(salt, await _digest(who, salt), reply.code, reply.text[:_LONGEST], reply.last[:_LONGEST])
        with contextlib.suppress(StateUnavailable):  # the log has it
            await self._state.put(_SPACE, _key(host, who), msgspec.msgpack.encode(kept), self._clock() + self._lifetime)


def _key(host: str, who: Credentials) -> bytes:
    return f"{host.lower()}\0{who.user}".encode("utf-8", "surrogateescape")


async def _digest(who: Credentials, salt: bytes) -> bytes:
    return await asyncio.to_thread(hashlib.pbkdf2_hmac, "sha256", who.password.octets, salt, _ITERATIONS)
