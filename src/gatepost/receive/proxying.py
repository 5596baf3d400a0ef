"""XCLIENT and XFORWARD: what a trusted neighbour tells of the client before it (XCLIENT_README, XFORWARD_README)."""

from collections.abc import Callable
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final, TypeVar

from msgspec import structs

from gatepost.mail.ascii_text import is_number, spaced_words, upper
from gatepost.policy.port import Facts
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.grammar import printable, xtext
from gatepost.proto.smtp.replies import ServerReply
from gatepost.proto.smtp.server import CommandLine
from gatepost.receive.answer import Answer, Tally, refused
from gatepost.receive.command_lines import too_early
from gatepost.receive.opening import greet
from gatepost.receive.peer import UNKNOWN, plain_address, valid_hostname
from gatepost.receive.session_state import SessionState
from gatepost.receive.transaction import Forwarded

_Told = TypeVar("_Told")
_UNAVAILABLE: Final = "[UNAVAILABLE]"
_LATER: Final = "[TEMPUNAVAIL]"
_LONGEST: Final = 255
_LONGEST_PROTOCOL: Final = 64
_NEUTERED: Final = str.maketrans(dict.fromkeys(' <>()\\";:@\t', "?"))


async def xclient(state: SessionState, command: CommandLine) -> Answer:
    """XCLIENT: this session becomes that of another client, and begins anew; so it is not counted as a success. Whether XFORWARD
    is allowed stays a question of who is connected, as in Postfix."""
    refusal = await _not_now(state, command, "xclient_hosts")
    if refusal is not None:
        return refused(refusal)
    await state.client_is("xforward_hosts")  # later that would be about the client that is told
    facts, given = state.facts, set[str]()
    for word in spaced_words(command.argument):  # each counts, also where a later one is wrong
        taken = _taken(word, "XCLIENT", _XCLIENT, facts)
        if isinstance(taken, ServerReply):
            state.is_another_client(kept=("xclient_hosts", "xforward_hosts"))
            return refused(taken)
        given.add(taken)
    if "HELO" not in given:
        facts.helo_name = None
    if "LOGIN" not in given:
        facts.sasl_username = facts.sasl_method = ""
    if "PROTO" not in given:
        facts.protocol_name, facts.esmtp = "SMTP", False
    state.is_another_client(kept=("xforward_hosts",))
    state.guards.close()
    greeting = await greet(state)
    if state.refused:
        return greeting
    if state.wire.core.pending and (out_of_step := too_early(state, command.verb)) is not None:
        return out_of_step
    return structs.replace(greeting, tally=Tally.NEITHER)


async def xforward(state: SessionState, command: CommandLine) -> Answer:
    """XFORWARD: what to log of the client before our client; for the next message only."""
    refusal = await _not_now(state, command, "xforward_hosts")
    if refusal is not None:
        return refused(refusal)
    forwarded = structs.replace(state.forwarded) if state.forwarded else Forwarded()
    for word in spaced_words(command.argument):
        taken = _taken(word, "XFORWARD", _XFORWARD, forwarded)
        if isinstance(taken, ServerReply):
            return refused(taken)
        forwarded.of_client |= taken not in ("IDENT", "SOURCE")
    state.forwarded = forwarded
    return Answer(say.OK)


async def _not_now(state: SessionState, command: CommandLine, hosts: str) -> ServerReply | None:
    """The reply that refuses the whole command, None where its attributes may be read. Raises LookupFailure."""
    if state.transaction is not None:
        return say.IN_TRANSACTION
    if not command.argument:
        return say.attributes_syntax(command.verb)
    return None if await state.client_is(hosts) else say.NOT_AUTHORIZED


def _taken(word: str, verb: str, known: dict[str, Callable[[_Told, str], bool]], told: _Told) -> str | ServerReply:
    """The name of an attribute whose value `told` has now, else the reply that refuses `word`. A value that is no xtext counts as
    it stands, as in Postfix."""
    name, _, raw = word.partition("=")
    if not raw:
        return say.NO_VALUE
    if len(raw) > _LONGEST:
        return say.VALUE_TOO_LONG
    take, value = known.get(upper(name)), xtext(raw)
    if value is None:
        value = raw
    if take is None:
        return say.bad_attribute_name(verb, printable(name)[:100])
    if not take(told, value):
        return say.bad_attribute_value(upper(name), printable(value))
    return upper(name)


def _missing(value: str) -> bool:
    return upper(value) == _UNAVAILABLE


def _unnamed(value: str) -> bool:
    """A client whose name is not known, or not yet."""
    return upper(value) in (_UNAVAILABLE, _LATER)


def _code(value: str) -> int:
    return 4 if upper(value) == _LATER else 5


def _name(facts: Facts, value: str) -> bool:
    if _unnamed(value):
        facts.client_name, facts.client_name_code = UNKNOWN, _code(value)
    elif valid_hostname(value):
        facts.client_name = facts.reverse_client_name = value
        facts.client_name_code = facts.reverse_client_name_code = 2
    else:
        return False
    return True


def _reverse_name(facts: Facts, value: str) -> bool:
    if _unnamed(value):
        facts.reverse_client_name, facts.reverse_client_name_code = UNKNOWN, _code(value)
    elif valid_hostname(value):
        facts.reverse_client_name, facts.reverse_client_name_code = value, 2
    else:
        return False
    return True


def _address(value: str) -> str | None:
    """A client address as told, `unknown` where it is not available, None where it is none: IPv6 has its prefix, IPv4 has none."""
    if _missing(value):
        return UNKNOWN
    try:
        if upper(value[:5]) == "IPV6:":
            return plain_address(inet_ntop(AF_INET6, inet_pton(AF_INET6, value[5:])))
        decimal = ".".join(part.lstrip("0") or part[:1] for part in value.split("."))  # as in Postfix: `192.000.002.001`
        return inet_ntop(AF_INET, inet_pton(AF_INET, decimal))
    except (OSError, ValueError):
        return None


def _addr(facts: Facts, value: str) -> bool:
    address = _address(value)
    facts.client_address = address or facts.client_address
    return address is not None


def _destaddr(facts: Facts, value: str) -> bool:
    address = _address(value)
    facts.server_address = address or facts.server_address
    return address is not None


def _port_value(value: str) -> str | None:
    if _missing(value):
        return ""
    return value if is_number(value) and len(value) <= 5 else None


def _port(facts: Facts, value: str) -> bool:
    port = _port_value(value)
    facts.client_port = facts.client_port if port is None else port
    return port is not None


def _destport(facts: Facts, value: str) -> bool:
    port = _port_value(value)
    facts.server_port = facts.server_port if port is None else port or UNKNOWN
    return port is not None


def _helo(facts: Facts, value: str) -> bool:
    facts.helo_name = None if _missing(value) else printable(value).translate(_NEUTERED)
    return True


def _proto(facts: Facts, value: str) -> bool:
    if upper(value) not in ("SMTP", "ESMTP"):
        return False
    facts.protocol_name, facts.esmtp = upper(value), upper(value) == "ESMTP"
    return True


def _login(facts: Facts, value: str) -> bool:
    facts.sasl_username = "" if _missing(value) else printable(value)
    facts.sasl_method = "" if _missing(value) else "XCLIENT"
    return True


_XCLIENT: Final[dict[str, Callable[[Facts, str], bool]]] = {
    "NAME": _name,
    "ADDR": _addr,
    "PROTO": _proto,
    "HELO": _helo,
    "REVERSE_NAME": _reverse_name,
    "PORT": _port,
    "LOGIN": _login,
    "DESTADDR": _destaddr,
    "DESTPORT": _destport,
}


def _text(field: str, unavailable: str) -> Callable[[Forwarded, str], bool]:
    def take(forwarded: Forwarded, value: str) -> bool:
        setattr(forwarded, field, unavailable if _missing(value) else printable(value).translate(_NEUTERED))
        return True

    return take


_protocol_text = _text("proto", UNKNOWN)


def _forwarded_protocol(forwarded: Forwarded, value: str) -> bool:
    return len(value) <= _LONGEST_PROTOCOL and _protocol_text(forwarded, value)


def _forwarded_name(forwarded: Forwarded, value: str) -> bool:
    forwarded.name = UNKNOWN if _missing(value) else value
    return forwarded.name == UNKNOWN or valid_hostname(value)


def _forwarded_addr(forwarded: Forwarded, value: str) -> bool:
    address = _address(value)
    forwarded.address = address or UNKNOWN
    return address is not None


def _forwarded_port(forwarded: Forwarded, value: str) -> bool:
    port = _port_value(value)
    forwarded.port = port or ""
    return port is not None


def _source(forwarded: Forwarded, value: str) -> bool:
    forwarded.context = "local" if _missing(value) else value.lower()
    return forwarded.context in ("local", "remote")


_XFORWARD: Final[dict[str, Callable[[Forwarded, str], bool]]] = {
    "NAME": _forwarded_name,
    "ADDR": _forwarded_addr,
    "PORT": _forwarded_port,
    "PROTO": _forwarded_protocol,
    "HELO": _text("helo", ""),
    "IDENT": _text("ident", ""),
    "SOURCE": _source,
}
