"""Where an address goes: class, transport and next hop (trivial-rewrite(8), ADDRESS_CLASS_README, transport(5)).

First every local domain is stripped off the address, however its routing is spelled; what is left says the class. Then
the transport of the class, the sender-dependent tables, `relayhost`, the transport table and the relocated table decide.
"""

import ipaddress
import re
import time
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct, structs

from gatepost.lookup.address import Match
from gatepost.lookup.port import LookupFailure
from gatepost.mail.ascii_text import is_number, upper
from gatepost.mail.header_address import Token, TokenKind, internal, requoted, scan
from gatepost.mail.outcome import Class, Outcome, bounced, deferred
from gatepost.mail.reason import UNSAID, Reason, because
from gatepost.routing.aliases import Find
from gatepost.routing.port import AddressClass, Route
from gatepost.routing.rewrite import Rewriter, first, is_standard, last, without_final_dot
from gatepost.routing.settings import RoutingSettings

CACHE_LIMIT = 4096
"""Domains and addresses whose class and route are remembered."""

CACHE_SECONDS = 5.0
"""For how long: lists of domains may be tables, which change while we run."""

UNRESOLVED = deferred("address resolver failure", "4.3.0")
BAD_SYNTAX = bounced("bad address syntax", "5.1.3")
UNDELIVERABLE = "Address is undeliverable"
"""What the error and retry transports say where a transport table gives no reason."""


class Domains(Protocol):
    """A list of domains, such as `relay_domains`."""

    async def matches(self, name: str) -> bool: ...


class ResolveTables(Struct, frozen=True):
    """The lists and tables that resolving asks; None where the parameter is empty."""

    mydestination: Domains | None = None
    virtual_alias_domains: Domains | None = None
    virtual_mailbox_domains: Domains | None = None
    relay_domains: Domains | None = None
    own_addresses: frozenset[str] = frozenset()
    transport_maps: Find | None = None
    sender_dependent_default_transport_maps: Find | None = None
    sender_dependent_relayhost_maps: Find | None = None
    relocated_maps: Find | None = None


class _Class(Struct, frozen=True):
    """What a domain says: the class, its transport and next hop."""

    cls: AddressClass
    transport: str
    nexthop: str


class Resolver:
    """The resolving rules under one set of parameters. `warn`: takes a line for the log."""

    def __init__(
        self,
        settings: RoutingSettings,
        tables: ResolveTables,
        rewriter: Rewriter,
        warn: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._tables = tables
        self._rewriter = rewriter
        self._warn = warn
        self._clock = clock
        self._classes: dict[str, _Class] = {}
        self._routes: dict[str, Route] = {}  # of standard addresses, where nothing but the domain counts
        self._failed: dict[tuple[str, str], Route] = {}  # by address and sender
        self._forget_at = 0.0
        by_sender = tables.sender_dependent_default_transport_maps or tables.sender_dependent_relayhost_maps
        self._follows_sender = by_sender is not None
        self._by_domain = by_sender is None and tables.transport_maps is None and tables.relocated_maps is None

    async def resolve(self, address: str, sender: str = "") -> Route:
        """The route of `address` (internal form) for mail from `sender`. A table that cannot answer is an error of the
        route (transport `retry`), never an exception."""
        if (now := self._clock()) > self._forget_at:
            self._forget(now)
        elif (known := self._routes.get(address)) is not None:
            return known
        elif max(len(self._classes), len(self._routes), len(self._failed)) >= CACHE_LIMIT:
            self._forget(now)
        asked = (address, sender if self._follows_sender else "")
        if (failed := self._failed.get(asked)) is not None:
            return failed
        try:
            if is_standard(address) and not address.startswith("-"):
                recipient, domain = address, address[address.index("@") + 1 :]
                route = await self._route(recipient, domain, sender, local=await self.is_local(domain))
                if self._by_domain:
                    self._routes[address] = route
                return route
            recipient, local = await self._stripped(address)
            if recipient.startswith("-") and not self._settings.allow_min_user:
                return _failed(recipient, BAD_SYNTAX)  # a command's option
            domain = recipient[recipient.rindex("@") + 1 :]
            if not _valid_domain(domain, numeric=self._settings.resolve_numeric_domain):
                if (complaint := _complaint(domain)) is not None:
                    self._warn(complaint)
                return _failed(recipient, BAD_SYNTAX)
            return await self._route(recipient, domain, sender, local=local)
        except LookupFailure as failure:
            if failure.parameter != "mydestination":  # of which the list has said all there is to say
                self._warn(f"{failure.parameter} lookup failure" if failure.parameter else str(failure))
            route = _failed(address, structs.replace(UNRESOLVED, why=failure.because(key=address)))
            self._failed[asked] = route  # who asks several times about an address need not wait, nor be told, again
            return route

    def _forget(self, now: float) -> None:
        self._classes.clear()
        self._routes.clear()
        self._failed.clear()
        self._forget_at = now + CACHE_SECONDS

    async def is_local(self, domain: str) -> bool:
        """Is mail for `domain` delivered here (mydestination, or an address of ours in brackets)?"""
        known = self._classes.get(domain)
        if known is not None:
            return known.cls is AddressClass.LOCAL
        if domain.startswith("["):
            return _literal(domain) in self._tables.own_addresses
        if self._settings.resolve_numeric_domain and (address := _ipv4(domain)):
            return address in self._tables.own_addresses
        name = domain[:-1] if domain.endswith(".") else domain
        listed = self._tables.mydestination
        return listed is not None and bool(name) and not name.endswith(".") and await listed.matches(name)

    async def _stripped(self, address: str) -> tuple[str, bool]:
        """(address with all local domains but the last one stripped off, whether it is local)."""
        tokens = scan(requoted(address))
        stripped: list[Token] = []
        for _ in range(len(address) + 100):
            if last(tokens, "@") >= 0:
                tokens = without_final_dot(tokens)
            if self._settings.resolve_null_domain and tokens and tokens[-1].kind is TokenKind.OPERATOR and tokens[-1].text == "@":
                tokens = tokens[:-1]
            at = last(tokens, "@")
            if at >= 0:
                if tokens[at + 1 :] and not await self.is_local(internal(tokens[at + 1 :])):
                    return internal(tokens), False
                tokens, stripped = tokens[:at], tokens[at:]
            routed = self._with_route_exposed(tokens)
            if routed is None:
                return await self._completed(tokens, stripped)
            tokens = self._rewriter.rewrite_tokens(routed) if routed else routed
        raise LookupFailure("resolve", f"<{address}>: giving up after {len(address) + 100} iterations")

    def _with_route_exposed(self, tokens: list[Token]) -> list[Token] | None:
        """Tokens to rewrite and look at again where a local part holds routing, None where it is a plain one."""
        operators = "@" + "!" * self._settings.swap_bangpath + "%" * self._settings.allow_percent_hack
        if any(first(tokens, operator) >= 0 for operator in operators):
            return tokens
        if self._settings.resolve_dequoted_address and len(tokens) == 1 and tokens[0].kind is TokenKind.QUOTED:
            return self._cracked(tokens[0].text)
        return None

    def _cracked(self, local: str) -> list[Token] | None:
        """Routing inside a quoted local part (resolve_dequoted_address): wrong by the book, needed to stop relaying."""
        if "@" in local:
            return scan(requoted(local))
        if self._settings.allow_percent_hack and "%" in local:
            before, _, after = local.rpartition("%")
            return scan(requoted(f"{before}@{after}"))
        if self._settings.swap_bangpath and "!" in local:
            return scan(local)
        return None

    async def _completed(self, tokens: list[Token], stripped: list[Token]) -> tuple[str, bool]:
        """(the recipient that is left as user@domain, whether it is local). An empty one is MAILER-DAEMON; one that never had a
        domain gets $myhostname, which need not be delivered here."""
        if not tokens or (len(tokens) == 1 and tokens[0].kind is TokenKind.QUOTED and not tokens[0].text):
            tokens = scan(self._settings.empty_address_recipient)
        if stripped:
            return internal(tokens + stripped), True
        own = self._settings.myhostname
        return f"{internal(tokens)}@{own}", await self.is_local(own)

    async def _route(self, recipient: str, domain: str, sender: str, *, local: bool) -> Route:
        known = self._classes.get(domain)
        if known is None:
            known = await self._classify(domain, local=local)
            self._classes[domain] = known
        route = Route(known.transport, known.nexthop, recipient, known.cls, routed=_routed(recipient, domain))
        if self._by_domain:
            return route
        return await self._relocated(await self._transported(await self._by_sender(route, domain, sender), domain))

    async def _classify(self, domain: str, *, local: bool) -> _Class:
        """Class, transport and next hop by domain alone."""
        claims = await self._claims(domain, local=local)
        self._warn_of_claims(domain, claims)
        cls = claims[0] if claims else AddressClass.DEFAULT
        settings = self._settings
        if cls is AddressClass.VIRTUAL_ALIAS:
            where = " in virtual alias table" if settings.show_user_unknown_table_name else ""
            return _Class(cls, "error", f"5.1.1 User unknown{where}")
        transport = getattr(settings, _TRANSPORTS[cls])
        remote = cls in (AddressClass.RELAY, AddressClass.DEFAULT)
        if settings.resolve_numeric_domain and _ipv4(domain):
            domain = f"[{domain}]"
        return _split(transport, settings.relayhost if remote and settings.relayhost else domain, cls)

    async def _claims(self, domain: str, *, local: bool) -> list[AddressClass]:
        """The classes whose domain list has this domain, the one that counts first."""
        tables = self._tables
        lists = (
            (AddressClass.VIRTUAL_ALIAS, tables.virtual_alias_domains),
            (AddressClass.VIRTUAL_MAILBOX, tables.virtual_mailbox_domains),
            (AddressClass.RELAY, None if local else tables.relay_domains),
        )
        claims = [AddressClass.LOCAL] if local else []
        for cls, domains in lists:
            if domains is None or (claims and not self._settings.helpful_warnings):
                continue
            try:
                if await domains.matches(domain):
                    claims.append(cls)
            except LookupFailure:
                if not claims:
                    raise  # else it was asked for the sake of a warning only
        return claims

    def _warn_of_claims(self, domain: str, claims: list[AddressClass]) -> None:
        for other in claims[1:]:
            self._warn(f"do not list domain {domain} in BOTH {_LISTS[claims[0]]} and {_LISTS[other]}")

    async def _by_sender(self, route: Route, domain: str, sender: str) -> Route:
        """The sender-dependent default transport and relay host, for the classes that go elsewhere."""
        settings, tables = self._settings, self._tables
        if route.cls is AddressClass.DEFAULT and tables.sender_dependent_default_transport_maps is not None:
            key = sender or settings.empty_address_default_transport_maps_lookup_key
            match = await tables.sender_dependent_default_transport_maps(key)
            if match is not None and upper(match.value) != "DUNNO":
                known = _split(match.value, settings.relayhost or domain, route.cls)
                route = structs.replace(route, transport=known.transport, nexthop=known.nexthop)
        if route.cls in (AddressClass.RELAY, AddressClass.DEFAULT) and tables.sender_dependent_relayhost_maps is not None:
            return await self._by_relayhost(route, domain, sender)
        return route

    async def _by_relayhost(self, route: Route, domain: str, sender: str) -> Route:
        key = sender or self._settings.empty_address_relayhost_maps_lookup_key
        find = self._tables.sender_dependent_relayhost_maps
        match = None if find is None else await find(key)
        if match is None or route.nexthop not in (self._settings.relayhost, domain):
            return route  # a next hop that the transport parameter gives counts more
        return structs.replace(route, nexthop=domain if upper(match.value) == "DUNNO" else match.value)

    async def _transported(self, route: Route, domain: str) -> Route:
        """The transport table's word; it says nothing of virtual alias domains."""
        if self._tables.transport_maps is None or route.cls is AddressClass.VIRTUAL_ALIAS:
            return route
        match = await self._tables.transport_maps(route.recipient)
        if match is None:
            return route
        transport, _, nexthop = match.value.partition(":")
        if transport:
            default = UNDELIVERABLE if transport in ("error", "retry") else domain
            why = UNSAID if default is domain else self._why("transport_maps", match)
            return structs.replace(route, transport=transport, nexthop=nexthop or default, why=why)
        return structs.replace(route, nexthop=nexthop) if nexthop else route

    async def _relocated(self, route: Route) -> Route:
        if self._tables.relocated_maps is None:
            return route
        match = await self._tables.relocated_maps(route.recipient)
        if match is None:
            return route
        nexthop = f"5.1.6 User has moved to {match.value}" if self._settings.relocated_prefix_enable else match.value
        return structs.replace(route, transport="error", nexthop=nexthop, why=self._why("relocated_maps", match))

    def _why(self, parameter: str, match: Match) -> Reason:
        return because(parameter, match.table or getattr(self._settings, parameter), match.key, match.value)


_TRANSPORTS = {
    AddressClass.LOCAL: "local_transport",
    AddressClass.VIRTUAL_MAILBOX: "virtual_transport",
    AddressClass.RELAY: "relay_transport",
    AddressClass.DEFAULT: "default_transport",
}

_LISTS = {
    AddressClass.LOCAL: "mydestination",
    AddressClass.VIRTUAL_ALIAS: "virtual_alias_domains",
    AddressClass.VIRTUAL_MAILBOX: "virtual_mailbox_domains",
    AddressClass.RELAY: "relay_domains",
}


def _failed(address: str, why: Outcome) -> Route:
    """The route of an address that cannot be resolved: to the transport that says so."""
    transport = "retry" if why.cls is Class.TEMPORARY else "error"
    return Route(transport, f"{why.enhanced} {why.text}", address, AddressClass.DEFAULT, failure=why)


def _split(value: str, nexthop: str, cls: AddressClass) -> _Class:
    """`transport` or `transport:nexthop`; a next hop that is given counts more. Raises LookupFailure for no transport."""
    transport, _, given = value.partition(":")
    if not transport:
        raise LookupFailure(_TRANSPORTS[cls], "null transport is not allowed")
    return _Class(cls, transport, given or nexthop)


def _routed(recipient: str, domain: str) -> bool:
    """Does the local part hold routing operators, whoever may obey them? Then a next hop could relay it on."""
    return any(operator in recipient[: -len(domain) - 1] for operator in "@!%")


_LABEL = re.compile("(?!-)[A-Za-z0-9_\\-\x80-\ud7ff\ue000-\U0010ffff]{1,63}(?<!-)\\Z")


def _valid_domain(domain: str, *, numeric: bool) -> bool:
    """A host name, or an address in brackets; a bare address only with `resolve_numeric_domain`."""
    if domain.startswith("["):
        return bool(_literal(domain))
    labels = domain.split(".")
    if len(domain) > 255 or not all(_LABEL.match(label) for label in labels):
        return False
    return not all(is_number(label) for label in labels) or (numeric and bool(_ipv4(domain)))


def _complaint(domain: str) -> str | None:
    """What Postfix's log says of brackets around what is no IPv4 address; None where that is nothing."""
    inside = domain[1:-1]
    if not (domain.startswith("[") and domain.endswith("]")) or inside[:5].lower() == "ipv6:":
        return None
    for character in inside:
        if character not in "0123456789.":
            return f"valid_ipv4_hostaddr: invalid character {ord(character)}(decimal): {inside}"
    if any(len(octet) > 3 or int(octet) > 255 for octet in inside.split(".") if octet):
        return f"valid_ipv4_hostaddr: invalid octet value: {inside}"
    return None


def _literal(domain: str) -> str:
    """The IP address in brackets (RFC 5321 §4.1.3), in canonical form; empty where there is none."""
    inside = domain[1:-1] if domain.endswith("]") else ""
    try:
        if inside[:5].lower() == "ipv6:":
            return str(ipaddress.IPv6Address(inside[5:]))
    except ValueError:
        return ""
    return _ipv4(inside)


def _ipv4(text: str) -> str:
    """The IPv4 address that `text` is, its octets without leading zeros, of which Postfix takes some; empty where it is none."""
    octets = text.split(".")
    if len(octets) != 4 or not all(is_number(octet) and len(octet) <= 3 and int(octet) <= 255 for octet in octets):
        return ""
    return ".".join(str(int(octet)) for octet in octets)
