"""What a row of the parameter table says."""

import enum
from typing import NamedTuple


class Kind(enum.Enum):
    """What the text of a value stands for."""

    STRING = "string"
    RAW = "raw string"  # its $names are expanded when it is used, with names of that moment, and not when it is loaded
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TIME = "time"


class Support(enum.Enum):
    """How far a parameter is honoured."""

    DONE = "done"
    NO_MEANING = "no meaning"  # accepted and without effect, for the reason in `why`
    NOT_YET = "not yet"


class Parameter(NamedTuple):
    """One row: a parameter of main.cf.

    `default` is the text that ``postconf -d`` shows, $names kept; numbers and `minimum`, `maximum` are counts or bytes,
    for a TIME seconds. `unit` is the unit of a TIME written as a bare number: s, m, h, d or w. `since` is "" for a
    parameter of Postfix 3.7, else who or which version introduced it.
    """

    name: str
    kind: Kind
    default: str
    doc: str
    support: Support = Support.NOT_YET
    why: str = ""
    unit: str = "s"
    since: str = ""
    minimum: int | None = None
    maximum: int | None = None


P = Parameter
STRING, RAW, INTEGER, BOOLEAN, TIME = Kind
DONE, NO_MEANING, NOT_YET = Support
