"""What `pipemap:` and `unionmap:` share: a name that lists other tables."""

from gatepost.lookup import braces
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Table, Unavailable


def members(opening: Opening) -> tuple[Table, ...]:
    """The tables that `{type:name, ...}` lists, opened. Raises Unavailable for bad syntax."""
    try:
        braced = opening.name.startswith("{") and opening.name.endswith("}")
        elements = braces.split_list(braces.unbrace(opening.name)) if braced else []
        specs = [braces.unbrace(element) if element.startswith("{") else element for element in elements]
    except braces.BraceError as error:
        raise Unavailable(opening.spec, f"bad {opening.type}:name syntax: {error}") from None
    if not specs:
        raise Unavailable(opening.spec, f'bad syntax: "{opening.spec}"; need "{opening.type}:{{type:name...}}"')
    return tuple(opening.tables.open(spec) for spec in specs)
