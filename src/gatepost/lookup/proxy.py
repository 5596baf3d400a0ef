"""`proxy:type:name`: in Postfix, a table that another process holds open (proxymap(8)). Our workers hold one table for all
of their sessions anyway, so this is the table itself. Where proxy_read_maps is given, a table must be listed in it."""

from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Found, Table, Unavailable, find_line


class NotApproved(Unavailable):
    """proxy_read_maps does not list the table. `remarks`: what proxymap(8) tells the log."""

    def __init__(self, spec: str, name: str) -> None:
        super().__init__(spec, f'proxymap service is not configured for table "{name}"')
        self.remarks = (
            f'request for unapproved table: "{name}"',
            f"to approve this table for read-only access, list {spec} in main.cf:proxy_read_maps",
        )


class ProxyTable:
    """Passes everything to `table`, under its own name."""

    __slots__ = ("_table", "lookup", "name", "whole_key")

    def __init__(self, name: str, table: Table) -> None:
        self.name = name
        self.whole_key = table.whole_key
        self._table = table
        self.lookup = table.lookup

    async def find_line(self, key: str) -> Found | None:
        """As `lookup`, with the line."""
        return await find_line(self._table, key)

    def close(self) -> None:
        """The table belongs to the registry that opened it."""


def open_table(opening: Opening) -> ProxyTable:
    """Raises NotApproved."""
    approved = opening.tables.proxied
    if approved is not None and opening.spec not in approved:
        raise NotApproved(opening.spec, opening.name)
    return ProxyTable(opening.spec, opening.tables.open(opening.name))
