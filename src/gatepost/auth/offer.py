"""Which mechanisms a client may use, and which of them it is told of (smtpd_sasl_security_options, smtpd_sasl_mechanism_filter)."""

from collections.abc import Awaitable, Callable

from gatepost.auth.port import Attempt, Channel, Conversation, Sasl
from gatepost.auth.settings import SaslSettings
from gatepost.proto.sasl.mechanisms import MECHANISMS, allowed


class ServerSasl:
    """The log-ins of one smtpd service. `announces`: smtpd_sasl_mechanism_filter, for a mechanism."""

    def __init__(self, settings: SaslSettings, sasl: Sasl, announces: Callable[[str], Awaitable[bool]]) -> None:
        self._sasl = sasl
        self._announces = announces
        self._options = settings.smtpd_sasl_security_options, settings.smtpd_sasl_tls_security_options

    async def usable(self, channel: Channel) -> tuple[str, ...]:
        """The mechanisms that a client may use over such a connection. Raises NoMechanisms, LookupFailure."""
        names = allowed(await self._sasl.offered(), self._options[channel.secured])
        return tuple([name for name in names if await self._fits(name, channel)])

    async def announced(self, channel: Channel) -> tuple[str, ...]:
        """Those that it is told of: the filter is for the announcement only, as in Postfix. Raises NoMechanisms, LookupFailure."""
        return tuple([name for name in await self.usable(channel) if await self._announces(name)])

    async def _fits(self, name: str, channel: Channel) -> bool:
        """A certificate lets in only where the filter says so: by default whom a public authority has certified is no user."""
        mechanism = MECHANISMS.get(name)
        if mechanism is None:
            return True
        if mechanism.by_certificate:
            return bool(channel.certified) and await self._announces(name)
        return not mechanism.bound or bool(channel.bindings)

    def converse(self, attempt: Attempt) -> Conversation:
        """An exchange of a usable mechanism."""
        return self._sasl.converse(attempt)
