"""`pcre:/path`: Perl-compatible regular expressions (pcre_table(5)), run by the PCRE2 library."""

from typing import Final

from gatepost.lookup import pcre2
from gatepost.lookup.opening import Opening
from gatepost.lookup.pattern_net import pcre_fits
from gatepost.lookup.patterns import Dialect, open_patterns
from gatepost.lookup.port import Table, Unavailable

_FLAGS: Final = {
    "i": pcre2.CASELESS, "m": pcre2.MULTILINE, "s": pcre2.DOTALL, "x": pcre2.EXTENDED, "A": pcre2.ANCHORED,
    "E": pcre2.DOLLAR_ENDONLY, "U": pcre2.UNGREEDY, "X": 0,
}  # fmt: skip

_DIALECT: Final = Dialect(
    "pcre",
    _FLAGS,
    lambda pattern, options, captures: pcre2.Expression(pattern, options, captures=captures),
    options=pcre2.CASELESS | pcre2.DOTALL,
    brackets=(b"(?:", b")"),
    fits=lambda pattern, expression: not expression.starts and pcre_fits(pattern),
    unclosed="ignoring this rule",
)


def open_table(opening: Opening) -> Table:
    """Raises Unavailable where the file cannot be read or PCRE2 is not installed."""
    if missing := pcre2.missing():
        raise Unavailable(opening.spec, missing)
    return open_patterns(opening, _DIALECT)
