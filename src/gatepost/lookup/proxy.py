"""`proxy:type:name`: in Postfix, a table that another process holds open (proxymap(8)). Our workers hold one table for all
of their sessions anyway, so this is the table itself."""

from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Table


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
    return ProxyTable(opening.spec, opening.tables.open(opening.name))
