"""`inline:{key=value, {key = text with spaces}}`: a table written where it is used (DATABASE_README)."""

from gatepost.lookup import braces
from gatepost.lookup.memory import MemoryTable, fold
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Unavailable
from gatepost.mail.ascii_text import SPACE


def parse(name: str) -> list[tuple[str, str]]:
    """The (key, value) pairs of an in-line table's name. Raises ValueError, in Postfix's words."""
    remedy = f'"inline:{name}"; need "inline:{{name=value...}}"'
    try:
        inside = braces.unbrace(name) if name.startswith("{") and name != "{}" else None
    except braces.BraceError:
        inside = None
    if inside is None:
        raise ValueError(f"bad syntax: {remedy}")
    if not inside:
        raise ValueError(f"empty table: {remedy}")
    pairs = []
    for element in braces.split_list(inside):
        text = braces.unbrace(element) if element.startswith("{") else element
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"missing '=' after attribute name: {remedy}")
        pairs.append((key.strip(SPACE), value.strip(SPACE)))
    return pairs


def open_table(opening: Opening) -> MemoryTable:
    """Raises Unavailable for bad syntax. The last of two equal keys holds."""
    try:
        pairs = parse(opening.name)
    except ValueError as error:
        raise Unavailable(opening.spec, str(error)) from None
    return MemoryTable(opening.spec, {fold(k) if opening.fold else k: v for k, v in pairs}, folded=opening.fold)
