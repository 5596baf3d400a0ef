"""`unionmap:{type:name, ...}`: the answers of all tables, separated by commas (DATABASE_README)."""

from gatepost.lookup.compose import members
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Table


class UnionTable:
    """Asks every table; none has an answer: no answer."""

    __slots__ = ("_tables", "name", "whole_key")

    def __init__(self, name: str, tables: tuple[Table, ...]) -> None:
        self.name = name
        self.whole_key = any(table.whole_key for table in tables)
        self._tables = tables

    async def lookup(self, key: str) -> str | None:
        answers = [value for table in self._tables if (value := await table.lookup(key)) is not None]
        return ",".join(answers) if answers else None

    def close(self) -> None:
        """The parts belong to the registry that opened them."""


def open_table(opening: Opening) -> UnionTable:
    return UnionTable(opening.spec, members(opening))
