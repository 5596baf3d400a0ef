"""Which mechanisms a client may use, and which of them it is told of (smtpd_sasl_security_options, smtpd_sasl_mechanism_filter)."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from gatepost.auth.port import Attempt, Conversation, Offered, Sasl
from gatepost.auth.settings import SaslSettings
from gatepost.proto.sasl.mechanisms import Trait

_MUST_NOT: Final[Mapping[str, Trait]] = {
    "noanonymous": Trait.ANONYMOUS,
    "noplaintext": Trait.PLAINTEXT,
    "nodictionary": Trait.DICTIONARY,
    "noactive": Trait.ACTIVE,
}
_MUST: Final[Mapping[str, Trait]] = {"forward_secrecy": Trait.FORWARD_SECRECY, "mutual_auth": Trait.MUTUAL_AUTH}


def allowed(mechanisms: Iterable[Offered], options: Iterable[str]) -> tuple[str, ...]:
    """The names of the mechanisms that the security options allow, in their order."""
    forbidden = {_MUST_NOT[option] for option in options if option in _MUST_NOT}
    demanded = {_MUST[option] for option in options if option in _MUST}
    return tuple(one.name for one in mechanisms if not one.traits & forbidden and one.traits >= demanded)


class ServerSasl:
    """The log-ins of one smtpd service. `announces`: smtpd_sasl_mechanism_filter, for a mechanism."""

    def __init__(self, settings: SaslSettings, sasl: Sasl, announces: Callable[[str], Awaitable[bool]]) -> None:
        self._sasl = sasl
        self._announces = announces
        self._options = settings.smtpd_sasl_security_options, settings.smtpd_sasl_tls_security_options

    async def usable(self, *, secured: bool) -> tuple[str, ...]:
        """The mechanisms that a client may use; `secured`: under TLS. Raises NoMechanisms."""
        return allowed(await self._sasl.offered(), self._options[secured])

    async def announced(self, *, secured: bool) -> tuple[str, ...]:
        """Those that it is told of: the filter is for the announcement only, as in Postfix. Raises NoMechanisms, LookupFailure."""
        return tuple([name for name in await self.usable(secured=secured) if await self._announces(name)])

    def converse(self, attempt: Attempt) -> Conversation:
        """An exchange of a usable mechanism."""
        return self._sasl.converse(attempt)
