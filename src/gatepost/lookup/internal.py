"""`internal:name`: a table of this process alone, empty when opened (DATABASE_README)."""

from gatepost.lookup.memory import MemoryTable
from gatepost.lookup.opening import Opening


def open_table(opening: Opening) -> MemoryTable:
    return MemoryTable(opening.spec, {}, folded=opening.fold)
