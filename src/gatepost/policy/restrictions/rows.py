"""What a family of restrictions registers: name -> Row."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from gatepost.policy.evaluation import Check
from gatepost.policy.sources import Materials


class Argument(Struct, frozen=True):
    """What must follow the name of a restriction.

    `compile` makes what the check is given; it raises ValueError where the text is of the wrong form. Then `complaint`
    (with `{name}` and `{text}`) is told, and the restriction refuses with 451 (`refuses`) or says nothing.
    """

    compile: Callable[[Materials, str], Any]
    complaint: str
    refuses: bool = True


class Row(Struct, frozen=True):
    """A restriction: its check, its argument, and the fact without which it is skipped."""

    check: Check
    argument: Argument | None = None
    needs: str = ""


Rows = Mapping[str, Row]


def _open(materials: Materials, text: str) -> Any:
    if ":" not in text:
        raise ValueError(text)
    return materials.tables.open(text)


TABLE = Argument(_open, 'restriction {name}: bad argument "{text}": need maptype:mapname')
