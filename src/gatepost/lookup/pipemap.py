"""`pipemap:{type:name, ...}`: each table's answer is the next one's question (DATABASE_README)."""

from gatepost.lookup.compose import members
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Table


class PipeTable:
    """The last table's answer, or none as soon as one has none."""

    __slots__ = ("_tables", "name", "whole_key")

    def __init__(self, name: str, tables: tuple[Table, ...]) -> None:
        self.name = name
        self.whole_key = any(table.whole_key for table in tables)
        self._tables = tables

    async def lookup(self, key: str) -> str | None:
        for table in self._tables:
            value = await table.lookup(key)
            if value is None:
                return None
            key = value
        return key

    def close(self) -> None:
        """The parts belong to the registry that opened them."""


def open_table(opening: Opening) -> PipeTable:
    return PipeTable(opening.spec, members(opening))
