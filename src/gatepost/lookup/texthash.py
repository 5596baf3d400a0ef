"""`texthash:/path`: a table read from its text file when opened, with no index (DATABASE_README)."""

from gatepost.lookup.memory import MemoryTable, fold
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Unavailable
from gatepost.lookup.table_text import entries, read_file


def open_table(opening: Opening) -> MemoryTable:
    """Raises Unavailable where the file cannot be read, or has a key twice (unless that may be a warning)."""
    table: dict[str, str] = {}
    path = opening.name
    text = read_file(path, opening.spec, "open database")
    for number, key, value in entries(path, text, opening.warn, refused=" -- ignoring this line"):
        kept = fold(key) if opening.fold else key
        if kept not in table:
            table[kept] = value
        elif opening.duplicates:
            opening.warn(f'{path}, line {number}: duplicate entry: "{kept}"')
        else:
            raise Unavailable(opening.spec, f'{path}, line {number}: duplicate entry: "{kept}"')
    return MemoryTable(opening.spec, table, folded=opening.fold)
