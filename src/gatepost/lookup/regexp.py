"""`regexp:/path`: POSIX regular expressions (regexp_table(5), regex(7)), run by the C library."""

from typing import Final

from gatepost.lookup import posix_regex
from gatepost.lookup.opening import Opening
from gatepost.lookup.pattern_net import posix_fits
from gatepost.lookup.patterns import Dialect, open_patterns
from gatepost.lookup.port import Table

_FLAGS: Final = {"i": posix_regex.ICASE, "m": posix_regex.NEWLINE, "x": posix_regex.EXTENDED}


_DIALECT: Final = Dialect(
    "regexp",
    _FLAGS,
    lambda pattern, options, captures: posix_regex.Expression(pattern, options, captures=captures),
    options=posix_regex.EXTENDED | posix_regex.ICASE,
    brackets=(b"(", b")"),
    fits=lambda pattern, _: posix_fits(pattern),
    second_pattern=True,
    no_group="out-of-range",
)


def open_table(opening: Opening) -> Table:
    """Raises Unavailable where the file cannot be read."""
    return open_patterns(opening, _DIALECT)
