"""`randmap:{value, ...}`: one of the values, by chance (DATABASE_README)."""

import random

from gatepost.lookup import braces
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Unavailable


class RandomTable:
    """Chooses among `values`; one that is named twice comes twice as often."""

    __slots__ = ("_values", "name", "whole_key")

    def __init__(self, name: str, values: tuple[str, ...]) -> None:
        self.name = name
        self.whole_key = True
        self._values = values

    async def lookup(self, key: str) -> str | None:
        return random.choice(self._values)

    def close(self) -> None:
        pass


def open_table(opening: Opening) -> RandomTable:
    """Raises Unavailable for bad syntax."""
    try:
        elements = braces.split_list(braces.unbrace(opening.name)) if opening.name.startswith("{") else []
        values = tuple(braces.unbrace(element) if element.startswith("{") else element for element in elements)
    except braces.BraceError as error:
        raise Unavailable(opening.spec, f"bad randmap:name syntax: {error}") from None
    if not values:
        raise Unavailable(opening.spec, f'bad syntax: "{opening.spec}"; need "randmap:{{value...}}"')
    return RandomTable(opening.spec, values)
