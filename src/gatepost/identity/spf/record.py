"""SPF records from text to terms (RFC 7208 §4.5, §4.6.1, §5, §6). A mistake anywhere spoils the whole record."""

import re
import socket
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from msgspec import Struct

from gatepost.identity.spf.macro import MacroError, MacroString, domain_spec, macro_string, shown
from gatepost.identity.spf.port import Result

RECORD_LIMIT = 8192
"""Octets of a record. RFC 7208 §3.4 wants it within one UDP answer; what is longer is an attempt to make us work."""

_REMEMBERED_SIZE = 512  # octets of a record that is worth keeping in parsed form
_VERSION = "v=spf1"
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)\Z", re.ASCII | re.DOTALL)
_DIRECTIVE = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*)([:/].*)?\Z", re.ASCII | re.DOTALL)
_CIDR = re.compile(r"(?:/(0|[1-9][0-9]{0,2}))?(?://(0|[1-9][0-9]{0,2}))?\Z", re.ASCII)
_LONGEST_CIDR = len("/32//128") + 1
_QUALIFIERS = {"": Result.PASS, "+": Result.PASS, "-": Result.FAIL, "~": Result.SOFTFAIL, "?": Result.NEUTRAL}


class RecordError(ValueError):
    """The record cannot be read: a permanent error. The text says what is wrong."""


class Network(Struct, frozen=True):
    """Addresses of one family. `bits`: 32 or 128; `number`: of an address in it; `prefix`: bits that count."""

    bits: int
    number: int
    prefix: int

    def __contains__(self, number: int) -> bool:
        return (number ^ self.number) >> (self.bits - self.prefix) == 0


class Directive(Struct, frozen=True):
    """A mechanism (§5).

    - `result`: what its match means.
    - `name`: in lower case.
    - `text`: as written.
    - `domain`: its domain-spec, None for the domain in question.
    - `prefixes`: of IPv4 and IPv6, for `a` and `mx`.
    - `network`: of `ip4` and `ip6`.
    """

    result: Result
    name: str
    text: str
    domain: MacroString | None = None
    prefixes: tuple[int, int] = (32, 128)
    network: Network | None = None

    @property
    def passes_all(self) -> bool:
        """Whether everybody passes, of one family at least."""
        everybody = self.name == "all" or (self.network is not None and self.network.prefix == 0)
        return everybody and self.result is Result.PASS


class Record(Struct, frozen=True):
    """A policy. `redirect`, `exp`: its modifiers (§6)."""

    directives: tuple[Directive, ...]
    redirect: MacroString | None = None
    exp: MacroString | None = None

    @property
    def passes_all(self) -> bool:
        """Whether one of its terms passes everybody."""
        return any(directive.passes_all for directive in self.directives)

    @property
    def sends_no_mail(self) -> bool:
        """Whether it is `v=spf1 -all`."""
        return [(one.name, one.result) for one in self.directives] == [("all", Result.FAIL)]


def is_policy(text: str) -> bool:
    """Whether a TXT record is meant as an SPF record (§4.5)."""
    head = text[:7].lower()
    return head == _VERSION or head == f"{_VERSION} "


def parse(text: str) -> Record:
    """The record. Raises RecordError."""
    if len(text) > RECORD_LIMIT:
        raise RecordError("the record is too long")
    return _remembered(text) if len(text) <= _REMEMBERED_SIZE else _parse(text)


def _parse(text: str) -> Record:
    directives: list[Directive] = []
    modifiers: dict[str, MacroString] = {}
    for term in filter(None, text[len(_VERSION) :].split(" ")):
        try:
            if (found := _MODIFIER.match(term)) is None:
                directives.append(_directive(term))
            else:
                _add_modifier(modifiers, found[1].lower(), found[2])
        except MacroError as error:
            raise RecordError(str(error)) from None
    return Record(tuple(directives), modifiers.get("redirect"), modifiers.get("exp"))


_remembered = lru_cache(512)(_parse)


def _add_modifier(modifiers: dict[str, MacroString], name: str, value: str) -> None:
    """Others than `redirect` and `exp` mean nothing, but have to be well-formed (§6)."""
    if name not in ("redirect", "exp"):
        macro_string(value)
    elif name in modifiers:
        raise RecordError(f"{name}= comes twice")
    else:
        modifiers[name] = domain_spec(value)


def _directive(term: str) -> Directive:
    found = _DIRECTIVE.match(term)
    mechanism = found and _MECHANISMS.get(found[2].lower())
    if not found or not mechanism:
        raise RecordError(f"unknown mechanism {shown(term)}")
    try:
        return mechanism(_QUALIFIERS[found[1]], found[2].lower(), term, found[3] or "")
    except (RecordError, MacroError) as error:
        raise RecordError(f"{shown(term)}: {error}") from None


def _all(result: Result, name: str, text: str, rest: str) -> Directive:
    if rest:
        raise RecordError("nothing may follow")
    return Directive(result, name, text)


def _named(result: Result, name: str, text: str, rest: str) -> Directive:
    """`include` and `exists`."""
    if not rest.startswith(":"):
        raise RecordError("a domain must follow")
    return Directive(result, name, text, domain_spec(rest[1:]))


def _ptr(result: Result, name: str, text: str, rest: str) -> Directive:
    return _named(result, name, text, rest) if rest else Directive(result, name, text)


def _hosts(result: Result, name: str, text: str, rest: str) -> Directive:
    """`a` and `mx`: a domain, and prefixes of both families."""
    head, four, six = _with_cidr(rest)
    prefixes = (_prefix(four, 32), _prefix(six, 128))
    if head and not head.startswith(":"):
        raise RecordError("a domain or a prefix length must follow")
    return Directive(result, name, text, domain_spec(head[1:]) if head else None, prefixes)


def _with_cidr(rest: str) -> tuple[str, str | None, str | None]:
    """(what stands before, IPv4 prefix, IPv6 prefix) of what ends in a dual-cidr-length (§5.3)."""
    found = _CIDR.search(rest, max(0, len(rest) - _LONGEST_CIDR))
    return (rest[: found.start()], found[1], found[2]) if found else (rest, None, None)


def _prefix(written: str | None, bits: int) -> int:
    prefix = bits if written is None else int(written)
    if prefix > bits:
        raise RecordError(f"a prefix length of more than {bits}")
    return prefix


def _network(family: socket.AddressFamily, bits: int) -> Callable[[Result, str, str, str], Directive]:
    """`ip4` and `ip6`."""

    def parsed(result: Result, name: str, text: str, rest: str) -> Directive:
        address, slash, prefix = rest.removeprefix(":").partition("/")
        if not rest.startswith(":") or (slash and not _is_length(prefix)):
            raise RecordError("an address, or one with a prefix length, must follow")
        try:
            number = int.from_bytes(socket.inet_pton(family, address), "big")
        except (OSError, ValueError):
            raise RecordError("no such address") from None
        return Directive(result, name, text, network=Network(bits, number, _prefix(prefix or None, bits)))

    return parsed


def _is_length(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 4 and (text == "0" or text[0] != "0")


_MECHANISMS: Mapping[str, Callable[[Result, str, str, str], Directive]] = {
    "all": _all,
    "include": _named,
    "exists": _named,
    "ptr": _ptr,
    "a": _hosts,
    "mx": _hosts,
    "ip4": _network(socket.AF_INET, 32),
    "ip6": _network(socket.AF_INET6, 128),
}


def chosen(texts: Iterable[str]) -> str | None:
    """The SPF record among the TXT records of a name, None where there is none (§4.5). Raises RecordError where there are more."""
    policies = [text for text in texts if is_policy(text)]
    if len(policies) > 1:
        raise RecordError("more than one SPF record")
    return policies[0] if policies else None
