"""Authentication of the SMTP client to a next hop (SASL_README, smtp_sasl_auth_enable; RFC 4954)."""

import asyncio
import binascii
import secrets
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from typing import Any, Final

from gatepost.deliver.failures import status_of
from gatepost.deliver.refused_logins import RefusedLogins
from gatepost.deliver.smtp_connection import Connection
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.lookup.registry import Maps
from gatepost.mail.address import to_bytes
from gatepost.mail.ascii_text import elements, upper
from gatepost.mail.outcome import Class, Outcome, deferred
from gatepost.mail.reason import because
from gatepost.net.channel_binding import channel_bindings
from gatepost.proto.sasl.mechanisms import MECHANISMS, ClientSetting, Mechanism, allowed
from gatepost.proto.sasl.port import ClientExchange, Credentials, Failed, Secret, check_end
from gatepost.proto.smtp.reply_reader import Reply

_MOST_CHALLENGES: Final = 8
"""No mechanism needs so many."""

_NOT_AUTHENTICATED: Final = 535


class _ProtocolLoop(Exception):
    """The server asks on and on, or for what is no challenge."""


class NotAuthenticated(Exception):
    """The server will not have us; `outcome` says why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class Authenticator:
    """Logs in where smtp_sasl_password_maps (`passwords`) knows the next hop.

    - `allows`: smtp_sasl_mechanism_filter, for a mechanism; raises LookupFailure;
    - `refused`: logins that were refused a while ago (smtp_sasl_auth_cache_name), None: nobody remembers them.
    """

    def __init__(
        self,
        settings: SmtpSettings,
        passwords: Maps,
        allows: Callable[[str], Awaitable[bool]] | None,
        refused: RefusedLogins | None,
    ) -> None:
        self._passwords = passwords
        self._delimiter = settings.smtp_sasl_password_result_delimiter or ":"
        self._by_sender = settings.smtp_sender_dependent_authentication
        self._soft = settings.smtp_sasl_auth_soft_bounce
        self._authorization_id = settings.send_cyrus_sasl_authzid
        self._allows = allows
        self._refused = refused
        self._options = frozenset(elements(settings.smtp_sasl_security_options))
        self._tls_options = frozenset(elements(settings.smtp_sasl_tls_security_options))
        self._verified_options = frozenset(elements(settings.smtp_sasl_tls_verified_security_options))

    @property
    def by_sender(self) -> bool:
        """Whether a connection is good for mail of one sender only."""
        return self._by_sender

    async def knows(self, connection: Connection, sender: str) -> bool:
        """Whether there is a password for this server. Raises LookupFailure."""
        return await self._credentials(connection, sender) is not None

    async def log_in(self, connection: Connection, sender: str, *, verified: bool) -> None:
        """AUTH, where the server offers it and there are credentials for it. `verified`: the server's certificate is the one that
        policy asked for. Raises NotAuthenticated, Broken, LookupFailure."""
        keywords = connection.client.offered.keywords
        who = await self._credentials(connection, sender) if "AUTH" in keywords else None
        if who is None:
            return
        label = connection.host.label
        tls: Any = connection.extra("ssl_object")
        options = self._options if tls is None else self._verified_options if verified else self._tls_options
        offered = await self._offered(keywords["AUTH"])
        bindings = {} if tls is None else channel_bindings(tls)
        mechanism = _best(offered, options, bound=bool(bindings))
        if mechanism is None:
            text = f"SASL authentication failed; cannot authenticate to server {label}: no mechanism available"
            raise NotAuthenticated(deferred(text, "4.7.0", because("AUTH", label, reason="no mechanism available")))
        if self._refused is not None and (said := await self._refused.find(connection.host.name, who)) is not None:
            raise self._not_authenticated(said, label, "SASL [CACHED] authentication failed")
        bound = any(one.bound for one in offered)
        setting = ClientSetting(secrets.token_urlsafe(18), connection.host.name, connection.host.port, bindings, bound)
        reply = await _conversed(connection, mechanism, who, setting)
        if reply.cls == 2:
            return
        if self._refused is not None and reply.code == _NOT_AUTHENTICATED:
            await self._refused.remember(connection.host.name, who, reply)
        raise self._not_authenticated(reply, label, "SASL authentication failed")

    def _not_authenticated(self, reply: Reply, label: str, failed: str) -> NotAuthenticated:
        cls = Class.PERMANENT if reply.cls == 5 and not self._soft else Class.TEMPORARY
        text = f"{failed}; server {label} said: {reply.text}"
        why = because("AUTH", label, reason=reply.text)
        return NotAuthenticated(Outcome(cls, status_of(reply, cls), text, reply.code, why))

    async def _credentials(self, connection: Connection, sender: str) -> Credentials | None:
        """Those for the sender, the host, or the destination that it was found for: no other server is told of them."""
        own = (sender,) if self._by_sender and sender else ()
        for key in (*own, connection.host.name, connection.site):
            value = await self._passwords.find(key)
            if value is not None:
                user, _, password = value.partition(self._delimiter)
                acting_for = user if self._authorization_id else ""
                return Credentials(user, Secret(to_bytes(password)), acting_for) if user else None
        return None

    async def _offered(self, offered: str) -> tuple[Mechanism, ...]:
        """The mechanisms that both sides know and the filter lets pass, best first. Raises LookupFailure."""
        words = frozenset(elements(upper(offered)))
        common = (one for one in MECHANISMS.values() if one.name in words and one.client is not None)
        return tuple([one for one in common if self._allows is None or await self._allows(one.name)])


def _best(offered: tuple[Mechanism, ...], options: frozenset[str], *, bound: bool) -> Mechanism | None:
    fit = allowed(offered, options)
    return next((one for one in offered if one.name in fit and (bound or not one.bound)), None)


async def _conversed(connection: Connection, mechanism: Mechanism, who: Credentials, setting: ClientSetting) -> Reply:
    """The reply that ends the exchange. Raises NotAuthenticated where the server does not keep to the mechanism, Broken."""
    label = connection.host.label
    assert mechanism.client is not None
    try:
        return await _exchanged(connection, mechanism, mechanism.client(who, setting))
    except Failed as failure:
        reason = str(failure)
        text = f"SASL authentication failed; cannot authenticate to server {label}: {reason}"
    except (_ProtocolLoop, binascii.Error):
        reason = "authentication protocol loop"
        text = f"SASL authentication failed; {reason} with server {label}"
    connection.close()  # it may still wait for a response, and would take QUIT for one
    raise NotAuthenticated(deferred(text, "4.7.0", because("AUTH", label, reason=reason)))


async def _exchanged(connection: Connection, mechanism: Mechanism, exchange: ClientExchange) -> Reply:
    client, first = connection.client, next(exchange)
    client.authenticate(f"AUTH {mechanism.name}".encode() + (b" " + b64encode(first) if first else b""))
    for _ in range(_MOST_CHALLENGES):
        await connection.said()
        reply = client.last
        assert reply is not None
        if reply.cls != 3:
            if reply.cls == 2:
                check_end(exchange)
            return reply
        challenge = b64decode(reply.lines[-1], validate=True)
        client.authenticate(b64encode(await asyncio.to_thread(_answer, exchange, challenge)))
    raise _ProtocolLoop


def _answer(exchange: ClientExchange, challenge: bytes) -> bytes:
    """What a mechanism says to a challenge. May take a while (SCRAM)."""
    try:
        return exchange.send(challenge)
    except StopIteration:
        raise _ProtocolLoop from None
