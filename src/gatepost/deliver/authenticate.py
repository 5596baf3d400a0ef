"""Authentication of the SMTP client to a next hop (SASL_README, smtp_sasl_auth_enable; RFC 4954)."""

import asyncio
import binascii
import secrets
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from typing import Any, Final

from gatepost.deliver.failures import status_of
from gatepost.deliver.plan import Try
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

_NOT_AUTHENTICATED: Final = 535


class _AsksOn(Exception):
    """The server asks although the mechanism has said all."""


class NotAuthenticated(Exception):
    """The server will not have us; `outcome` says why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


OfSender = Callable[[str], Awaitable[str | None]]
"""What smtp_sasl_password_maps has for a sender (smtp_sender_dependent_authentication). Raises LookupFailure."""


class Authenticator:
    """Logs in where smtp_sasl_password_maps (`passwords`) knows the next hop.

    - `of_sender`: the same tables by sender;
    - `allows`: smtp_sasl_mechanism_filter, for a mechanism; raises LookupFailure;
    - `refused`: logins that were refused a while ago (smtp_sasl_auth_cache_name), None: nobody remembers them;
    - `warn`: is told what is odd about servers and logins.
    """

    def __init__(
        self,
        settings: SmtpSettings,
        passwords: Maps,
        of_sender: OfSender,
        allows: Callable[[str], Awaitable[bool]] | None,
        refused: RefusedLogins | None,
        warn: Callable[[str], None],
    ) -> None:
        self._passwords = passwords
        self._of_sender = of_sender
        self._warn = warn
        self._delimiter = settings.smtp_sasl_password_result_delimiter or ":"
        self._by_sender = settings.smtp_sender_dependent_authentication and not settings.lmtp  # as in Postfix
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

    async def knows(self, server: Connection | Try, sender: str) -> bool:
        """Whether there is a password for this server. Raises LookupFailure."""
        return await self._credentials(server, sender) is not None

    async def log_in(self, connection: Connection, sender: str, *, verified: bool) -> None:
        """AUTH, where the server offers it and there are credentials for it. `verified`: the server's certificate is the one that
        policy asked for. Raises NotAuthenticated, Broken, LookupFailure."""
        keywords = connection.client.offered.keywords
        if "AUTH" not in keywords:
            return
        listed = await self._listed(connection, keywords["AUTH"])
        who = await self._credentials(connection, sender)
        if who is None:
            return
        label = connection.host.label
        if not listed:
            reason = "no compatible authentication mechanisms"
            text = f"SASL authentication failed: server {label} offered {reason} for this type of connection security"
            raise _later(text, label, reason)
        tls: Any = connection.extra("ssl_object")
        options = self._options if tls is None else self._verified_options if verified else self._tls_options
        offered = tuple(one for one in MECHANISMS.values() if one.name in listed and one.client is not None)
        bindings = {} if tls is None else channel_bindings(tls)
        mechanism = _best(offered, options, bound=bool(bindings))
        if mechanism is None:
            self._warn("SASL authentication failure: No worthy mechs found")
            raise _cannot(label, "no mechanism available")
        if not who.user:
            self._warn("SASL authentication failure: All-whitespace username.")
            raise _cannot(label, "generic failure")
        if self._refused is not None and (said := await self._refused.find(connection.host.name, who)) is not None:
            raise self._not_authenticated(said, connection.host.name, "SASL [CACHED] authentication failed")
        bound = any(one.bound for one in offered)
        setting = ClientSetting(secrets.token_urlsafe(18), connection.host.name, connection.host.port, bindings, bound)
        reply = await self._conversed(connection, mechanism, who, setting)
        if reply.cls == 2:
            connection.logged_in = True
            return
        if self._refused is not None and reply.code == _NOT_AUTHENTICATED:
            await self._refused.remember(connection.host.name, who, reply)
        raise self._not_authenticated(reply, label, "SASL authentication failed")

    def _not_authenticated(self, reply: Reply, server: str, failed: str) -> NotAuthenticated:
        cls = Class.TEMPORARY if reply.cls == 4 or (reply.cls == 5 and self._soft) else Class.PERMANENT
        text = f"{failed}; server {server} said: {reply.text}"
        why = because("AUTH", server, reason=reply.text)
        return NotAuthenticated(Outcome(cls, status_of(reply, cls), text, reply.code, why))

    async def _credentials(self, server: Connection | Try, sender: str) -> Credentials | None:
        """Those for the sender, the host, or the destination that it was found for: no other server is told of them."""
        value = await self._of_sender(sender) if self._by_sender and sender else None
        for key in (server.host.name, server.site):
            if value is None:
                value = await self._passwords.find(key)
        if value is None:
            return None
        user, _, password = value.partition(self._delimiter)
        return Credentials(user, Secret(to_bytes(password)), user if self._authorization_id else "")

    async def _listed(self, connection: Connection, offered: str) -> tuple[str, ...]:
        """The mechanisms of the server that the filter lets pass, ours or not, in capitals. Raises LookupFailure."""
        words = elements(upper(offered))
        listed = tuple([word for word in words if self._allows is None or await self._allows(word)])
        if not listed:
            what = f"no supported AUTH mechanisms: '{offered}'" if words else "null AUTH mechanism list"
            self._warn(f"{connection.host.relay} offered {what}")
        return listed

    async def _conversed(self, connection: Connection, mechanism: Mechanism, who: Credentials, setting: ClientSetting) -> Reply:
        """The reply that ends the exchange. Raises NotAuthenticated where the server does not keep to the mechanism, Broken."""
        label = connection.host.label
        assert mechanism.client is not None
        try:
            return await _exchanged(connection, mechanism, mechanism.client(who, setting))
        except Failed as failure:
            reason = str(failure)
        except binascii.Error:
            reason = "bad protocol / cancel"
        except _AsksOn:
            self._warn("SASL authentication problem: attempting client step after doneflag")
            reason = "generic failure"
        connection.close()  # it may still wait for a response, and would take QUIT for one
        raise _cannot(label, reason)


def _cannot(label: str, reason: str) -> NotAuthenticated:
    return _later(f"SASL authentication failed; cannot authenticate to server {label}: {reason}", label, reason)


def _later(text: str, label: str, reason: str) -> NotAuthenticated:
    return NotAuthenticated(deferred(text, "4.7.0", because("AUTH", label, reason=reason)))


def _best(offered: tuple[Mechanism, ...], options: frozenset[str], *, bound: bool) -> Mechanism | None:
    fit = allowed(offered, options)
    return next((one for one in offered if one.name in fit and (bound or not one.bound)), None)


async def _exchanged(connection: Connection, mechanism: Mechanism, exchange: ClientExchange) -> Reply:
    client, first = connection.client, next(exchange)
    client.authenticate(f"AUTH {mechanism.name}".encode() + (b" " + b64encode(first) if first else b""))
    while True:  # every mechanism ends
        await connection.said()
        reply = client.last
        assert reply is not None
        if reply.cls != 3:
            if reply.cls == 2:
                check_end(exchange)
            return reply
        challenge = b64decode(reply.lines[-1], validate=True)
        client.authenticate(b64encode(await asyncio.to_thread(_answer, exchange, challenge)))


def _answer(exchange: ClientExchange, challenge: bytes) -> bytes:
    """What a mechanism says to a challenge. May take a while (SCRAM)."""
    try:
        return exchange.send(challenge)
    except StopIteration:
        raise _AsksOn from None
