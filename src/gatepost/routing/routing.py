"""Routing of one process: parameters and tables put together, and the questions that the rest of the house asks."""

from gatepost.lookup.address import Keys, Match, find_address
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.registry import Maps, Tables
from gatepost.routing.aliases import AddressMap, AliasLimits, Find, Masquerade, Place, canonical, expand
from gatepost.routing.port import Route
from gatepost.routing.resolve import Resolver, ResolveTables
from gatepost.routing.rewrite import LOCAL, Rewriter
from gatepost.routing.settings import RoutingSettings, words


class Routing:
    """Addresses to standard form, to routes, and through the tables that replace them.

    `tables`: as what resolves addresses (trivial-rewrite(8)) opens them; `mapping`: as what replaces them (cleanup(8)) does.
    `own_addresses`: IP addresses of inet_interfaces and proxy_interfaces, in canonical form.
    """

    def __init__(self, settings: RoutingSettings, tables: Tables, own_addresses: frozenset[str], *, mapping: Tables) -> None:
        self.settings = settings
        self._tables = tables
        self._mapping = mapping
        self._parents = words(settings.parent_domain_matches_subdomains)
        self.rewriter = Rewriter(settings)
        self._resolver = Resolver(settings, self._resolve_tables(own_addresses), self.rewriter, tables.warn)
        self._canonical = self._canonical_by_place()
        self._aliases = self._address_map("virtual_alias_maps", "virtual")
        self._limits = AliasLimits(
            settings.virtual_alias_recursion_limit,
            settings.virtual_alias_expansion_limit,
            settings.virtual_alias_address_length_limit,
        )
        self._masquerade, self._masqueraded = self._masquerading()
        self._sender_bcc = self._finder("sender_bcc_maps", mapping)
        self._recipient_bcc = self._finder("recipient_bcc_maps", mapping)

    async def resolve(self, address: str, sender: str = "") -> Route:
        """The route of `address` for mail from `sender`, both in internal form. Never raises: see Route.error."""
        return await self._resolver.resolve(address, sender)

    async def rewrite(self, address: str, context: str = LOCAL) -> str:
        """`address` in standard form, by the rules of the `local` or `remote` context."""
        return self.rewriter.rewrite(address, context)

    def maps_in(self, place: Place) -> bool:
        """Whether any table or rule may change addresses that stand there."""
        return bool(self._canonical[place]) or place in self._masqueraded

    async def mapped(self, address: str, place: Place) -> str:
        """`address` after the canonical tables and masquerading of its place. Raises LookupFailure, AliasLoop."""
        for table in self._canonical[place]:
            address = await canonical(table, address, self._mapping.warn)
        if place in self._masqueraded and self._masquerade is not None:
            address = await self._masquerade.apply(address)
        return address

    @property
    def has_aliases(self) -> bool:
        """Whether virtual_alias_maps has anything."""
        return self._aliases is not None

    async def expanded(self, recipient: str) -> list[str]:
        """`recipient` after virtual_alias_maps, itself where there is no alias. Raises LookupFailure, AliasLoop."""
        return [recipient] if self._aliases is None else await expand(self._aliases, recipient, self._limits)

    async def sender_bcc(self, sender: str) -> str | None:
        """Who gets a copy of mail from `sender`. Raises LookupFailure."""
        return await _value(self._sender_bcc, sender)

    async def recipient_bcc(self, recipient: str) -> str | None:
        """Who gets a copy of mail to `recipient`. Raises LookupFailure."""
        return await _value(self._recipient_bcc, recipient)

    async def is_local(self, domain: str) -> bool:
        """Whether tables are asked for the bare user of an address in `domain`: it is $myorigin's or ours."""
        return domain.lower() == self.settings.myorigin.lower() or await self._resolver.is_local(domain)

    def generic(self, value: str, title: str, tables: Tables) -> AddressMap | None:
        """The table of a `*_generic_maps` parameter; None where none is configured. `tables`: as the service opens them."""
        find = self.finder(value, title, tables)
        propagate = "generic" in words(self.settings.propagate_unmatched_extensions)
        return None if find is None else AddressMap(title, find, self.rewriter, propagate=propagate)

    def finder(self, value: str, title: str, tables: Tables) -> Find | None:
        """The question to the tables of a parameter, with all keys that an address makes; None where none is configured.
        `tables`: as the service that asks opens them."""
        maps = tables.maps(value, title)
        return None if maps.empty else _finder(maps, Keys.REWRITE, self)

    def _finder(self, parameter: str, tables: Tables) -> Find | None:
        return self.finder(getattr(self.settings, parameter), parameter, tables)

    def _strings(self, parameter: str) -> MatchList | None:
        listed = MatchList.strings(getattr(self.settings, parameter), self._tables, parameter, self._tables.warn)
        return None if listed.empty else listed

    def _relay_domains(self) -> MatchList | None:
        parents = "relay_domains" in self._parents
        listed = MatchList.domains(self.settings.relay_domains, self._tables, "relay_domains", self._tables.warn, parents=parents)
        return None if listed.empty else listed

    def _resolve_tables(self, own_addresses: frozenset[str]) -> ResolveTables:
        # A sender must not choose where mail goes by what `$1` makes of an address (transport(5)).
        tables = self._tables.without_substitution()
        transport = tables.maps(self.settings.transport_maps, "transport_maps")
        keys = Keys.TRANSPORT | Keys.PARENTS if "transport_maps" in self._parents else Keys.TRANSPORT
        return ResolveTables(
            mydestination=self._strings("mydestination"),
            virtual_alias_domains=self._strings("virtual_alias_domains"),
            virtual_mailbox_domains=self._strings("virtual_mailbox_domains"),
            relay_domains=self._relay_domains(),
            own_addresses=own_addresses,
            transport_maps=None if transport.empty else _transport(transport, keys, self),
            sender_dependent_default_transport_maps=self._finder("sender_dependent_default_transport_maps", tables),
            sender_dependent_relayhost_maps=self._finder("sender_dependent_relayhost_maps", tables),
            relocated_maps=self._finder("relocated_maps", self._tables),
        )

    def _address_map(self, parameter: str, propagation: str) -> AddressMap | None:
        find = self._finder(parameter, self._mapping)
        propagate = propagation in words(self.settings.propagate_unmatched_extensions)
        return None if find is None else AddressMap(parameter, find, self.rewriter, propagate=propagate)

    def _canonical_by_place(self) -> dict[Place, list[AddressMap]]:
        by_place: dict[Place, list[AddressMap]] = {place: [] for place in Place}
        for name in ("sender_canonical", "recipient_canonical", "canonical"):
            table = self._address_map(f"{name}_maps", "canonical")
            if table is not None:
                for word in words(getattr(self.settings, f"{name}_classes")):
                    by_place[Place(word)].append(table)
        return by_place

    def _masquerading(self) -> tuple[Masquerade | None, frozenset[Place]]:
        domains = words(self.settings.masquerade_domains)
        if not domains:
            return None, frozenset()
        tables, title = self._mapping, "masquerade_exceptions"
        exceptions = MatchList.strings(self.settings.masquerade_exceptions, tables, title, tables.warn)
        return Masquerade(domains, exceptions.matches), frozenset(map(Place, words(self.settings.masquerade_classes)))


def _finder(maps: Maps, keys: Keys, routing: Routing) -> Find:
    settings = routing.settings

    async def find(address: str) -> Match | None:
        return await find_address(
            maps,
            address,
            keys,
            delimiters=settings.recipient_delimiter,
            is_local=routing.is_local,
            owner_request_special=settings.owner_request_special,
        )

    return find


def _transport(maps: Maps, keys: Keys, routing: Routing) -> Find:
    """The transport table: address and domain keys, then `*`."""
    find = _finder(maps, keys, routing)

    async def transport(address: str) -> Match | None:
        if (match := await find(address)) is not None:
            return match
        found = await maps.find("*", partial=True)
        return None if found is None else Match(found, "*")

    return transport


async def _value(find: Find | None, address: str) -> str | None:
    if find is None or not address:
        return None
    match = await find(address)
    return None if match is None else match.value
