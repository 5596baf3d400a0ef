"""Tables that put one address, or several, in the place of another: canonical(5), virtual(5), and masquerading.

All of it is ADDRESS_REWRITING_README. Addresses are in internal form; results are brought into standard form.
"""

import enum
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from gatepost.lookup.address import Match
from gatepost.lookup.port import LookupFailure
from gatepost.mail.address import split
from gatepost.mail.header_address import Token, addresses, internal, parse
from gatepost.routing.rewrite import Rewriter

CANONICAL_DEPTH = 1000
"""How often a canonical table may answer with another address for which it has an answer."""

Find = Callable[[str], Awaitable[Match | None]]
Excepted = Callable[[str], Awaitable[bool]]


class Place(enum.StrEnum):
    """Where an address stands; the value is the word of `canonical_classes` and `masquerade_classes`."""

    ENVELOPE_SENDER = "envelope_sender"
    ENVELOPE_RECIPIENT = "envelope_recipient"
    HEADER_SENDER = "header_sender"
    HEADER_RECIPIENT = "header_recipient"


class AliasLoop(Exception):
    """A table that leads on and on, or to too much; `text` is what to log."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def _unreasonable(what: str) -> str:
    return f"unreasonable {what} -- message not accepted, try again later"


class AddressMap:
    """A table of addresses and what replaces them.

    `find`: the answer for an address with all its partial keys, raises LookupFailure. `propagate`: an extension that the
    table's key lacks goes over to the results (propagate_unmatched_extensions).
    """

    def __init__(self, title: str, find: Find, rewriter: Rewriter, *, propagate: bool) -> None:
        self.title = title
        self._find = find
        self._rewriter = rewriter
        self._propagate = propagate

    async def lookup(self, address: str) -> list[str] | None:
        """What replaces `address`; None where the table has nothing. Raises LookupFailure."""
        try:
            match = await self._find(address)
        except LookupFailure as failure:
            failure.address = address
            raise
        if match is None:
            return None
        extension = match.extension if self._propagate else ""
        found = list(map(internal, _parts(match.value)))
        if found and found[0].startswith("@"):  # the domain alone is replaced, by the first address only: virtual(5)
            first = self._rewriter.rewrite(split(address)[0] + found.pop(0))
            return [first, *(self._result(one, extension) for one in found)]
        return [self._result(one, extension) for one in found]

    def _result(self, result: str, extension: str) -> str:
        rewritten = self._rewriter.rewrite(result)
        if not extension:
            return rewritten
        local, domain = split(rewritten)
        return f"{local}{extension}@{domain}" if domain else local + extension


def _parts(value: str) -> list[list[Token]]:
    return [token.parts for token in addresses(parse(value))]


async def canonical(table: AddressMap, address: str, warn: Callable[[str], None]) -> str:
    """`address` as the canonical table has it, followed to the end; in a circle it goes round some times, and `warn` is told (in
    words of Postfix, which takes the message, too). Raises LookupFailure."""
    for _ in range(CANONICAL_DEPTH):
        found = await table.lookup(address)
        if not found or found[0].lower() == address.lower():
            return found[0] if found else address
        if len(found) > 1:
            warn(f"multi-valued {table.title} entry for {address}")
        address = found[0]
    warn(_unreasonable(f"{table.title} map nesting for {address}"))
    return address


class AliasLimits(Struct, frozen=True):
    """virtual_alias_recursion_limit, virtual_alias_expansion_limit and virtual_alias_address_length_limit."""

    recursion: int = 1000
    expansion: int = 1000
    length: int = 1000


async def expand(table: AddressMap, recipient: str, limits: AliasLimits) -> list[str]:
    """`recipient` with all aliases of virtual_alias_maps expanded; an address may expand into itself, once.
    Raises LookupFailure, AliasLoop."""
    found = [recipient]
    final: set[str] = set()
    index = 0
    while index < len(found):
        if len(found) > limits.expansion:
            raise AliasLoop(_unreasonable(f"{table.title} map expansion size for {recipient}"))
        depth = 0
        while found[index] not in final:
            if depth >= limits.recursion:
                raise AliasLoop(_unreasonable(f"{table.title} map nesting for {recipient}"))
            depth += 1
            name = found[index]
            results = await table.lookup(name)
            if not results:
                break
            _check_lengths(results, table.title, limits.length)
            if any(result.lower() == name.lower() for result in results):
                final.add(name)
            found[index] = results[0]
            found.extend(results[1:])
        index += 1
    return found


def _check_lengths(results: Sequence[str], title: str, limit: int) -> None:
    for result in results:
        if len(result) > limit:
            raise AliasLoop(_unreasonable(f"{title} result {result[:300]}..."))


class Masquerade:
    """masquerade_domains: subdomains are hidden. `excepted`: does masquerade_exceptions name this user?"""

    def __init__(self, domains: Sequence[str], excepted: Excepted) -> None:
        self._rules = [(domain.lstrip("!").lower(), (len(domain) - len(domain.lstrip("!"))) % 2 == 0) for domain in domains]
        self._excepted = excepted

    async def apply(self, address: str) -> str:
        """`address` with the subdomain cut off, where the first matching rule says so. Raises LookupFailure."""
        user, domain = split(address)
        folded = domain.lower()
        for parent, cut in self._rules:
            if folded == parent:
                return address
            if folded.endswith("." + parent):
                return f"{user}@{parent}" if cut and not await self._excepted(user) else address
        return address
