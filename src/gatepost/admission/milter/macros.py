"""What a filter is told beside a command: macros under the names that Sendmail gave them (MILTER_README, "Macros")."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from gatepost.admission.milter.settings import MilterSettings, bare_name, macro_defaults
from gatepost.admission.port import View
from gatepost.config.values import split
from gatepost.mail.address import external
from gatepost.mail.outcome import Outcome
from gatepost.policy.port import Facts
from gatepost.proto.milter import commands
from gatepost.proto.smtp.grammar import printable
from gatepost.routing.port import Route

Resolve = Callable[[str, str], Awaitable[Route]]
"""Where an address goes, for mail from a sender (Routing.resolve)."""

Value = Callable[["Macros", Facts], str | None]

_Planned = tuple[str, Value | None, str, str | None]
"""(as it is written, how to find its value, its name without braces, what it is where it has none)"""
_MOST_PLANS: Final = 100


class Macros:
    """The macros of a service. `resolve`: where addresses go."""

    def __init__(self, settings: MilterSettings, resolve: Resolve) -> None:
        self.settings = settings
        self.configured: Mapping[int, tuple[str, ...]] = {
            command: tuple(split(value)) for command, value in _lists(settings).items()
        }
        self._resolve = resolve
        self._plans: dict[tuple[str, ...], tuple[_Planned, ...]] = {}
        self._defaults = macro_defaults(settings.milter_macro_defaults)

    async def values(self, names: tuple[str, ...], view: View) -> dict[str, str]:
        """The macros among `names` that have a value, under the names as they are written there."""
        found: dict[str, str] = {}
        facts = view.facts
        for written, simple, name, default in self._plans.get(names) or self._planned(names):
            value = simple(self, facts) if simple is not None else await self._of_address(name, view)
            if value is None:
                value = default
            if value is not None:
                found[written] = value
        return found

    def _planned(self, names: tuple[str, ...]) -> "tuple[_Planned, ...]":
        """How to find each of them. Most lists come again with each command; filters have some of their own."""
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        plan = self._plans[names] = tuple(self._plan(written) for written in names)
        return plan

    def _plan(self, written: str) -> "_Planned":
        name = bare_name(written) if written.startswith("{") else written
        return written, _VALUES.get(name), name, self._defaults.get(name)

    async def _of_address(self, name: str, view: View) -> str | None:
        """`{mail_*}` and `{rcpt_*}`: what routing makes of an address; of a refused recipient, how it was refused."""
        kind, _, what = name.partition("_")
        if what not in _OF_ROUTE or kind not in ("mail", "rcpt"):
            return None
        facts = view.facts
        if kind == "rcpt" and view.refusal is not None:
            return _OF_REFUSAL[what](view.refusal)
        address = facts.sender if kind == "mail" else facts.recipient
        if address is None:
            return None
        if not address and what == "addr":
            return ""  # nobody; the other macros are of whoever gets what is for him
        return _OF_ROUTE[what](await self._resolve(address, facts.sender or ""))


def _lists(settings: MilterSettings) -> dict[int, str]:
    return {
        commands.CONNECT: settings.milter_connect_macros,
        commands.HELO: settings.milter_helo_macros,
        commands.MAIL: settings.milter_mail_macros,
        commands.RCPT: settings.milter_rcpt_macros,
        commands.DATA: settings.milter_data_macros,
        commands.UNKNOWN: settings.milter_unknown_command_macros,
        commands.END_OF_HEADERS: settings.milter_end_of_header_macros,
        commands.END_OF_MESSAGE: settings.milter_end_of_data_macros,
    }


def _client(macros: Macros, facts: Facts) -> str:
    forged = "" if facts.client_name.lower() == facts.reverse_client_name.lower() else " (may be forged)"
    return f"{facts.reverse_client_name} [{facts.client_address}]{forged}"


def _client_address(facts: Facts) -> str:
    """The client's address as RFC 5321 §4.1.3 writes it, less the brackets."""
    return f"IPv6:{facts.client_address}" if ":" in facts.client_address else facts.client_address


def _client_name_is(facts: Facts) -> str:
    """Whether the client's name is known, and its address one of that name's."""
    if facts.client_name_code == 2:
        return "OK" if facts.client_name != "unknown" else "FAIL"
    if facts.client_name_code == 4:
        return "TEMP"
    return "FORGED" if facts.reverse_client_name_code == 2 else "FAIL"


def _bits(macros: Macros, facts: Facts) -> str | None:
    return str(facts.tls_keysize) if facts.tls_protocol else None


_VALUES: Final[Mapping[str, Value]] = {
    "_": _client,
    "j": lambda macros, facts: macros.settings.myhostname,
    "v": lambda macros, facts: macros.settings.milter_macro_v,
    "i": lambda macros, facts: facts.queue_id or None,
    "client_addr": lambda macros, facts: _client_address(facts),
    "client_name": lambda macros, facts: facts.client_name,
    "client_port": lambda macros, facts: facts.client_port or "0",
    "client_ptr": lambda macros, facts: facts.reverse_client_name,
    "client_resolve": lambda macros, facts: _client_name_is(facts),
    "daemon_name": lambda macros, facts: macros.settings.milter_macro_daemon_name,
    "daemon_addr": lambda macros, facts: facts.server_address or None,
    "daemon_port": lambda macros, facts: facts.server_port or None,
    "tls_version": lambda macros, facts: facts.tls_protocol or None,
    "cipher": lambda macros, facts: facts.tls_cipher or None,
    "cipher_bits": _bits,
    "cert_subject": lambda macros, facts: printable(facts.ccert_subject) if facts.ccert_trusted else None,
    "cert_issuer": lambda macros, facts: printable(facts.ccert_issuer) if facts.ccert_trusted else None,
    "auth_type": lambda macros, facts: facts.sasl_method or None,
    "auth_authen": lambda macros, facts: facts.sasl_username or None,
    "auth_author": lambda macros, facts: facts.sasl_sender or None,
}

_OF_ROUTE: Final[Mapping[str, Callable[[Route], str]]] = {
    "addr": lambda route: external(route.recipient).lower(),
    "host": lambda route: route.nexthop,
    "mailer": lambda route: route.transport,
}
_OF_REFUSAL: Final[Mapping[str, Callable[[Outcome], str]]] = {
    "addr": lambda refusal: refusal.text.partition(" ")[2],
    "host": lambda refusal: refusal.enhanced,
    "mailer": lambda refusal: "error",
}
