"""local_header_rewrite_clients: the clients whose message headers are rewritten and completed like our own (postconf(5)).

The list looks like a restriction list and knows a few of its words only; `type:table` and `check_address_map type:table` have
the client's address. What it does not know is named once, when the service starts, and names nobody.
"""

from collections.abc import Awaitable, Callable

from gatepost.config.values import split
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.registry import Tables

PARAMETER = "local_header_rewrite_clients"

_NOT_YET = frozenset({"permit_tls_all_clientcerts", "permit_tls_clientcerts"})

_LOGGED_IN = "permit_sasl_authenticated"
_SILENT = frozenset({_LOGGED_IN, "check_address_map"})
"""Words that name no client: `check_address_map` says no more than that a table follows."""

Asks = Callable[[str, str], Awaitable[bool]]
"""Whether a client is meant: host name, address."""


def rewrites_logins(value: str) -> bool:
    """Whether the list names whoever has logged in, whatever the client."""
    return _LOGGED_IN in split(value)


def rewriting_clients(value: str, tables: Tables, *, own: MatchList, networks: MatchList) -> Asks:
    """Whether one of the words names the client. Raises LookupFailure where a table cannot answer."""
    members = [member for word in split(value) if (member := _member(word, tables, own, networks)) is not None]

    async def rewrites(name: str, address: str) -> bool:
        for member in members:
            if await member(name, address):
                return True
        return False

    return rewrites


def _member(word: str, tables: Tables, own: MatchList, networks: MatchList) -> Asks | None:
    if word == "permit_mynetworks":
        return networks.matches
    if word == "permit_inet_interfaces":
        return _by_address(own)
    if ":" in word:
        return _by_address(MatchList.addresses(word, tables, PARAMETER, tables.warn))
    if word in _NOT_YET:
        tables.warn(f"parameter {PARAMETER}: {word} is known but not implemented yet")
    elif word not in _SILENT:
        tables.warn(f"parameter {PARAMETER}: invalid request: {word}")
    return None


def _by_address(listed: MatchList) -> Asks:
    async def asks(name: str, address: str) -> bool:
        return await listed.matches(address)

    return asks
