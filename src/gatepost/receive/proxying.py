"""XCLIENT and XFORWARD: what a trusted neighbour tells of the client before it (XCLIENT_README, XFORWARD_README)."""

from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Final

from gatepost.mail.ascii_text import is_number, spaced_words, upper
from gatepost.policy.port import Facts
from gatepost.proto.smtp.grammar import printable, xtext
from gatepost.proto.smtp.server import Command
from gatepost.receive.peer import UNKNOWN, plain_address, valid_address, valid_hostname
from gatepost.receive.transaction import Forwarded

if TYPE_CHECKING:
    from gatepost.receive.session import Session

_UNAVAILABLE: Final = "[UNAVAILABLE]"
_LATER: Final = "[TEMPUNAVAIL]"
_LONGEST: Final = 255
_NEUTERED: Final = str.maketrans(dict.fromkeys(' <>()\\";:@\t', "?"))


async def xclient(session: "Session", command: Command) -> bool | None:
    """XCLIENT: this session becomes that of another client, and begins anew; so it is not counted as a success."""
    pairs = await _pairs(session, command, "xclient_hosts", _XCLIENT.keys())
    if isinstance(pairs, str):
        return session.refuse(pairs)
    facts = session.facts
    facts.helo_name = None
    facts.protocol_name, facts.esmtp = "SMTP", False
    for name, value in pairs:
        if not _XCLIENT[name](facts, value):
            return session.refuse(f"501 5.5.4 Bad {name} syntax: {printable(value)[:100]}")
    session.client_lists.clear()
    await session.greet()
    return None


async def xforward(session: "Session", command: Command) -> bool:
    """XFORWARD: what to log of the client before our client; for the next message only."""
    pairs = await _pairs(session, command, "xforward_hosts", _XFORWARD.keys())
    if isinstance(pairs, str):
        return session.refuse(pairs)
    forwarded = session.forwarded or Forwarded()
    for name, value in pairs:
        if not _XFORWARD[name](forwarded, value):
            return session.refuse(f"501 5.5.4 Bad {name} syntax: {printable(value)[:100]}")
    session.forwarded = forwarded
    session.reply("250 2.0.0 Ok")
    return True


async def _pairs(session: "Session", command: Command, hosts: str, names: Container[str]) -> list[tuple[str, str]] | str:
    """The decoded attributes, or the reply that refuses them."""
    if session.transaction is not None:
        return "503 5.5.1 Error: MAIL transaction in progress"
    if not command.argument:
        return f"501 5.5.4 Syntax: {command.verb} attribute=value..."
    if not await session.client_is(hosts):
        return "550 5.7.0 Error: insufficient authorization"
    pairs = []
    for word in spaced_words(command.argument):
        name, _, raw = word.partition("=")
        if not raw:
            return "501 5.5.4 Error: attribute=value expected"
        if len(raw) > _LONGEST:
            return "501 5.5.4 Error: attribute value too long"
        value = xtext(raw)
        if value is None:
            return f"501 5.5.4 Bad attribute value syntax: {printable(raw)[:100]}"
        if upper(name) not in names:
            return f"501 5.5.4 Bad {command.verb} attribute name: {printable(name)[:100]}"
        pairs.append((upper(name), value))
    return pairs


# What follows takes a value over, or returns False and leaves everything as it was: whoever was refused goes on in this session.


def _missing(value: str) -> bool:
    return upper(value) in (_UNAVAILABLE, _LATER)


def _code(value: str) -> int:
    return 4 if upper(value) == _LATER else 5


def _name(facts: Facts, value: str) -> bool:
    if _missing(value):
        facts.client_name, facts.client_name_code = UNKNOWN, _code(value)
        return True
    if not valid_hostname(value):
        return False
    facts.client_name = facts.reverse_client_name = value
    facts.client_name_code = facts.reverse_client_name_code = 2
    return True


def _reverse_name(facts: Facts, value: str) -> bool:
    if _missing(value):
        facts.reverse_client_name, facts.reverse_client_name_code = UNKNOWN, _code(value)
        return True
    if not valid_hostname(value):
        return False
    facts.reverse_client_name, facts.reverse_client_name_code = value, 2
    return True


def _address(value: str) -> str | None:
    """A client address as told, `unknown` where it is not available, None where it is none."""
    if _missing(value):
        return UNKNOWN
    plain = value[5:] if upper(value[:5]) == "IPV6:" else value
    return plain_address(plain) if valid_address(plain) else None


def _addr(facts: Facts, value: str) -> bool:
    if (address := _address(value)) is None:
        return False
    facts.client_address = address
    return True


def _destaddr(facts: Facts, value: str) -> bool:
    if (address := _address(value)) is None:
        return False
    facts.server_address = address
    return True


def _port_value(value: str) -> str | None:
    if _missing(value):
        return ""
    return value if is_number(value) and len(value) <= 5 else None


def _port(facts: Facts, value: str) -> bool:
    if (port := _port_value(value)) is None:
        return False
    facts.client_port = port
    return True


def _destport(facts: Facts, value: str) -> bool:
    if (port := _port_value(value)) is None:
        return False
    facts.server_port = port
    return True


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


def _untold(value: str) -> bool:
    """XFORWARD knows nothing of a temporary lack."""
    return upper(value) == _UNAVAILABLE


def _text(field: str, unavailable: str) -> Callable[[Forwarded, str], bool]:
    def take(forwarded: Forwarded, value: str) -> bool:
        setattr(forwarded, field, unavailable if _untold(value) else printable(value).translate(_NEUTERED))
        return True

    return take


def _forwarded_name(forwarded: Forwarded, value: str) -> bool:
    if not (_untold(value) or valid_hostname(value)):
        return False
    forwarded.name = UNKNOWN if _untold(value) else value
    return True


def _forwarded_addr(forwarded: Forwarded, value: str) -> bool:
    address = UNKNOWN if _untold(value) else _address(value)
    if address is None or (address == UNKNOWN and not _untold(value)):
        return False
    forwarded.address = address
    return True


def _forwarded_port(forwarded: Forwarded, value: str) -> bool:
    port = "" if _untold(value) else _port_value(value)
    if port is None or (not port and not _untold(value)):
        return False
    forwarded.port = port
    return True


_SOURCES: Final = {"LOCAL": "local", "REMOTE": "remote", _UNAVAILABLE: "local"}
"""Whose mail it is (local_header_rewrite_clients); where nobody knows it is ours, as in Postfix."""


def _source(forwarded: Forwarded, value: str) -> bool:
    if upper(value) not in _SOURCES:
        return False
    forwarded.domain = _SOURCES[upper(value)]
    return True


_XFORWARD: Final[dict[str, Callable[[Forwarded, str], bool]]] = {
    "NAME": _forwarded_name,
    "ADDR": _forwarded_addr,
    "PORT": _forwarded_port,
    "PROTO": _text("proto", ""),
    "HELO": _text("helo", ""),
    "IDENT": _text("ident", ""),
    "SOURCE": _source,
}
