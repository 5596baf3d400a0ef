"""`nis:map`: nothing is found on a host that is in no NIS domain, as in Postfix: its default for alias_maps has `nis:mail.aliases`.
Where there is a domain the table is unavailable, since we do not ask its servers."""

import ctypes

from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Unavailable

_LONGEST = 64
"""Octets of a domain name in Linux (getdomainname(2))."""


class NisTable:
    """Nothing is found."""

    __slots__ = ("name", "whole_key")

    def __init__(self, name: str) -> None:
        self.name = name
        self.whole_key = False

    async def lookup(self, key: str) -> str | None:
        return None

    def close(self) -> None:
        pass


def domain() -> str:
    """The NIS domain that this host is in; empty where it is in none."""
    name = ctypes.create_string_buffer(_LONGEST + 1)
    ctypes.CDLL(None).getdomainname(name, _LONGEST)
    return "" if name.value == b"(none)" else name.value.decode("ascii", "replace")


def open_table(opening: Opening) -> NisTable:
    """Raises Unavailable on a host that is in a NIS domain."""
    if found := domain():
        raise Unavailable(opening.spec, f"unsupported dictionary type: nis (domain {found})")
    opening.warn("dict_nis_init: NIS domain name not set - NIS lookups disabled")
    return NisTable(opening.spec)
