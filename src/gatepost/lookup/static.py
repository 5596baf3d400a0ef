"""`static:value` or `static:{ text with spaces }`: one answer to every question (DATABASE_README)."""

from gatepost.lookup import braces
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Unavailable


class StaticTable:
    """Always the same value."""

    __slots__ = ("_value", "name", "whole_key")

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.whole_key = True
        self._value = value

    async def lookup(self, key: str) -> str | None:
        return self._value

    def close(self) -> None:
        pass


def open_table(opening: Opening) -> StaticTable:
    """Raises Unavailable for a brace that does not close."""
    value = opening.name
    if value.startswith("{"):
        try:
            value = braces.unbrace(value)
        except braces.BraceError as error:
            raise Unavailable(opening.spec, f"bad static:name syntax: {error}") from None
    return StaticTable(opening.spec, value)
