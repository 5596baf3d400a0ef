"""Authentication of the SMTP client to a next hop (SASL_README, smtp_sasl_auth_enable; RFC 4954)."""

import binascii
from base64 import b64decode, b64encode

from gatepost.deliver.failures import status_of
from gatepost.deliver.smtp_connection import Connection
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.lookup.registry import Maps
from gatepost.mail.address import to_bytes
from gatepost.mail.ascii_text import elements, upper
from gatepost.mail.outcome import Class, Outcome, deferred
from gatepost.mail.reason import because
from gatepost.proto.sasl.mechanisms import MECHANISMS, Trait
from gatepost.proto.sasl.port import Credentials, Secret


class NotAuthenticated(Exception):
    """The server will not have us; `outcome` says why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class Authenticator:
    """Logs in where smtp_sasl_password_maps (`passwords`) knows the next hop."""

    def __init__(self, settings: SmtpSettings, passwords: Maps) -> None:
        self._passwords = passwords
        self._delimiter = settings.smtp_sasl_password_result_delimiter or ":"
        self._by_sender = settings.smtp_sender_dependent_authentication
        self._soft = settings.smtp_sasl_auth_soft_bounce
        self._allowed = frozenset(_words(upper(settings.smtp_sasl_mechanism_filter)))
        self._options = frozenset(_words(settings.smtp_sasl_security_options))
        self._tls_options = frozenset(_words(settings.smtp_sasl_tls_security_options))
        self._verified_options = frozenset(_words(settings.smtp_sasl_tls_verified_security_options))

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
        client = connection.client
        if "AUTH" not in client.offered.keywords:
            return
        who = await self._credentials(connection, sender)
        if who is None:
            return
        label = connection.host.label
        secure = connection.extra("ssl_object") is not None
        options = (self._verified_options if verified else self._tls_options) if secure else self._options
        mechanism = self._choose(client.offered.keywords["AUTH"], options)
        if mechanism is None:
            text = f"SASL authentication failed; cannot authenticate to server {label}: no mechanism available"
            raise NotAuthenticated(deferred(text, "4.7.0", because("AUTH", label, reason="no mechanism available")))
        await self._converse(connection, mechanism, who, label)

    async def _converse(self, connection: Connection, mechanism: str, who: Credentials, label: str) -> None:
        client = connection.client
        exchange = MECHANISMS[mechanism].client(who)
        first = next(exchange)
        client.authenticate(f"AUTH {mechanism}".encode() + (b" " + b64encode(first) if first else b""))
        while True:
            await connection.said()
            reply = client.last
            assert reply is not None
            if reply.cls == 2:
                return
            if reply.cls != 3:
                cls = Class.PERMANENT if reply.cls == 5 and not self._soft else Class.TEMPORARY
                text = f"SASL authentication failed; server {label} said: {reply.text}"
                raise NotAuthenticated(
                    Outcome(cls, status_of(reply, cls), text, reply.code, because("AUTH", label, reason=reply.text))
                )
            try:
                client.authenticate(b64encode(exchange.send(b64decode(reply.lines[-1], validate=True))))
            except (StopIteration, binascii.Error):
                text = f"SASL authentication failed; authentication protocol loop with server {label}"
                why = because("AUTH", label, reason="authentication protocol loop")
                raise NotAuthenticated(deferred(text, "4.7.0", why)) from None

    async def _credentials(self, connection: Connection, sender: str) -> Credentials | None:
        """Those for the sender, the host, or the destination that it was found for: no other server is told of them."""
        own = (sender,) if self._by_sender and sender else ()
        for key in (*own, connection.host.name, connection.site):
            value = await self._passwords.find(key)
            if value is not None:
                user, _, password = value.partition(self._delimiter)
                return Credentials(user, Secret(to_bytes(password))) if user else None
        return None

    def _choose(self, offered: str, options: frozenset[str]) -> str | None:
        """The best mechanism that both sides know and the options allow."""
        words = frozenset(_words(upper(offered)))
        if self._allowed:
            words &= self._allowed
        fit = (known for known in MECHANISMS.values() if "noplaintext" not in options or Trait.PLAINTEXT not in known.traits)
        return next((mechanism.name for mechanism in fit if mechanism.name in words), None)


def _words(text: str) -> list[str]:
    return elements(text)
