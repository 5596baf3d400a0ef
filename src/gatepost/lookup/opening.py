"""What a table type is given to open a table."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from gatepost.lookup.registry import Tables

Warn = Callable[[str], None]


class Opening(Struct, frozen=True):
    """One `type:name` to open.

    `fold`: lookup keys are folded to lower case, for types whose keys are fixed strings (not patterns). `duplicates`: a repeated
    key in a text file is a warning, not a mistake (as in postmap). `substitution`: the result of a pattern may have parts of the
    key in it. `warn` takes a line of text without `warning:`.
    `tables` opens the parts of a composed table. `clock` gives seconds.
    """

    type: str
    name: str
    tables: "Tables"
    warn: Warn
    clock: Callable[[], float]
    fold: bool = True
    duplicates: bool = False
    substitution: bool = True

    @property
    def spec(self) -> str:
        return f"{self.type}:{self.name}"
