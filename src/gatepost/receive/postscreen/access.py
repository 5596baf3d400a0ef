"""postscreen_access_list: `permit_mynetworks`, `permit`, `reject`, `dunno`, and tables that answer with these (postconf(5))."""

from collections.abc import Awaitable, Callable
from typing import Final

from gatepost.lookup.braces import split_list
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps, Tables
from gatepost.mail.reason import UNSAID, Reason, because
from gatepost.receive.postscreen.screening import Access

NAME: Final = "postscreen_access_list"
_NETWORKS: Final = "permit_mynetworks"
_ACTIONS: Final = {access.value: access for access in Access}

Rule = Callable[[str], Awaitable[tuple[Access, Reason]]]


class AccessList:
    """The list of one service. `networks`: mynetworks. What it cannot mean is said once, here, and passed over."""

    def __init__(self, value: str, tables: Tables, networks: MatchList) -> None:
        self._networks = networks
        self._warn = tables.warn
        self._rules = [self._rule(element, tables) for element in split_list(value)]

    async def find(self, address: str) -> tuple[Access, Reason]:
        """What it says of an address, and why. Raises LookupFailure."""
        for rule in self._rules:
            access, why = await rule(address)
            if access is not Access.DUNNO:
                return access, why
        return Access.DUNNO, UNSAID

    def _rule(self, element: str, tables: Tables) -> Rule:
        word = element.lower()
        if word == _NETWORKS:
            return self._in_networks
        if word in _ACTIONS:
            return _always(_ACTIONS[word])
        if ":" in element:
            return self._table(tables.maps(element, NAME), element)
        self._warn(f"{NAME}: unknown command: {element}")
        return _always(Access.DUNNO)

    async def _in_networks(self, address: str) -> tuple[Access, Reason]:
        if await self._networks.matches("", address):
            return Access.PERMIT, because(NAME, "mynetworks", address, "permit")
        return Access.DUNNO, UNSAID

    def _table(self, maps: Maps, element: str) -> Rule:
        async def in_table(address: str) -> tuple[Access, Reason]:
            found = await maps.find_at(address)
            if found is None:
                return Access.DUNNO, UNSAID
            said, table, line = found
            for word in said.lower().replace(",", " ").split():
                if word == _NETWORKS:
                    access, why = await self._in_networks(address)
                elif word in _ACTIONS:
                    access, why = _ACTIONS[word], because(NAME, table, address, said, line)
                else:
                    self._warn(f"{NAME}: {element}: unknown command: {word}")
                    raise LookupFailure(table, f"unknown command: {word}")
                if access is not Access.DUNNO:
                    return access, why
            return Access.DUNNO, UNSAID

        return in_table


def _always(access: Access) -> Rule:
    async def always(address: str) -> tuple[Access, Reason]:
        return access, because(NAME, key=address, reason=access.value)

    return always
