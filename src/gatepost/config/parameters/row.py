"""What a row of the parameter table says."""

import enum
from typing import NamedTuple


class ValueKind(enum.Enum):
    """What the text of a value stands for.

    RAW: a text whose $names are expanded when it is used, with names of that moment, and not when it is loaded.
    INTEGER: a whole number of 32 bits, as an `int` of C is. SIZE: a number of bytes, of 64 bits. Neither has a unit.
    CHOICE: one of `words`; a view may have it as an enum of them.
    WORDS: a list of any of `words`; a view may have this, and every other list, as `tuple[str, ...]`.
    LIST: a list of names, patterns and tables; HOSTS: one that may have addresses and networks too.
    MAPS: a list of lookup tables.
    TRANSPORT: `transport` or `transport:nexthop`.
    FILE: the pathname of a file, or a list of them.
    """

    STRING = "string"
    RAW = "raw string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TIME = "time"
    SIZE = "size"
    CHOICE = "choice"
    WORDS = "words"
    LIST = "list"
    HOSTS = "hosts"
    MAPS = "maps"
    TRANSPORT = "transport"
    FILE = "file"


class Support(enum.Enum):
    """How far a parameter is honoured."""

    DONE = "done"
    NO_MEANING = "no meaning"  # accepted and without effect, for the reason in `why`
    NOT_YET = "not yet"


class Parameter(NamedTuple):
    """One row: a parameter of main.cf.

    `default` is the text that ``postconf -d`` shows, $names kept; numbers and `minimum`, `maximum` are counts or bytes,
    for a TIME seconds. `unit` is the unit of a TIME written as a bare number: s, m, h, d or w. `since` is "" for a
    parameter of Postfix 3.7, else who or which version introduced it. `words` are what a CHOICE is one of, and WORDS any of.
    """

    name: str
    kind: ValueKind
    default: str
    doc: str
    support: Support = Support.NOT_YET
    why: str = ""
    unit: str = "s"
    since: str = ""
    minimum: int | None = None
    maximum: int | None = None
    words: tuple[str, ...] = ()


TLS_LEVELS = ("", "none", "may", "encrypt", "fingerprint", "dane", "dane-only", "verify", "secure")
"""Words of the `_tls_security_level` parameters; empty leaves it to the older parameters."""

P = Parameter
STRING, RAW, INTEGER, BOOLEAN, TIME, SIZE, CHOICE, WORDS, LIST, HOSTS, MAPS, TRANSPORT, FILE = ValueKind
DONE, NO_MEANING, NOT_YET = Support

NO_RAW_KEYS = "Certificates are used: the TLS library does not offer raw public keys."
NO_TRACE = "What goes over the wire under TLS is not logged."
