"""`proxy:type:name`: in Postfix, a table that another process holds open (proxymap(8)). Our workers hold one table for all
of their sessions anyway, so this is the table itself. Where proxy_read_maps is given, a table must be listed in it."""

from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Table, Unavailable


class ProxyTable:
    """Passes everything to `table`, under its own name."""

    __slots__ = ("_table", "lookup", "name", "whole_key")

    def __init__(self, name: str, table: Table) -> None:
        self.name = name
        self.whole_key = table.whole_key
        self._table = table
        self.lookup = table.lookup

    def close(self) -> None:
        """The table belongs to the registry that opened it."""


def open_table(opening: Opening) -> ProxyTable:
    """Raises Unavailable for a table that is not approved."""
    approved = opening.tables.proxied
    if approved is not None and opening.spec not in approved:
        raise Unavailable(opening.spec, f'proxymap service is not configured for table "{opening.name}"')
    return ProxyTable(opening.spec, opening.tables.open(opening.name))
