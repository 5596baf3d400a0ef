"""`environ:`: the process environment; the name is ignored (DATABASE_README)."""

import os

from gatepost.lookup.memory import MemoryTable
from gatepost.lookup.opening import Opening


def open_table(opening: Opening) -> MemoryTable:
    return MemoryTable(opening.spec, dict(os.environ), folded=False)
