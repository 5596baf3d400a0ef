"""One expression in the place of many: where it finds nothing, none of them does, which one search says instead of a hundred.

Most keys meet no rule of a table, and calling the engine costs more than most searches. So rules that follow each other stand
behind an `if` whose pattern is their alternation. Only patterns that mean the same in brackets are taken (no references, no verbs,
no options), and only such as begin where the key does: others would make the alternation try each beginning with all.
"""

import re
from typing import Final

from gatepost.lookup.matching import Expression, Groups, Recipe, Subject, TooMuch, Unanswered

FEWEST: Final = 4
MOST: Final = 64
"""Rules for which a net is worth its search; as many as one is made for."""

# Pieces of patterns that mean the same wherever they stand.
_PCRE: Final = re.compile(
    rb"""
    (?P<open> \((?![?*]) | \(\?(?:[:=!>]|<[=!]) )
    | (?P<close> \) )
    | (?P<bar> \| )
    | \[ \^? \]? (?: \[:\^?[a-z]+:\] | \\[^QEc] | [^\]\\] )* \]
    | \\[dDwWsSbBhHvVAzZnrtfae] | \\[^0-9A-Za-z]
    | [^\\\[()|]
    """,
    re.VERBOSE | re.DOTALL,
)
_POSIX: Final = re.compile(
    rb"""
    (?P<open> \((?![*+?{]) )
    | (?P<close> \) )
    | (?P<bar> \|(?![*+?{]) )
    | \[ \^? \]? (?: \[:[a-z]+:\] | [^\]\[] )* \]
    | \\[^0-9] | \^(?![*+?{])
    | \{[0-9]+(?:,[0-9]*)?\}
    | [^\\\[()|^{]
    """,
    re.VERBOSE | re.DOTALL,
)


def pcre_fits(pattern: bytes) -> bool:
    """Whether an alternation with this pattern, which begins with the key, finds what it finds."""
    return _fits(pattern, _PCRE) is not None


def posix_fits(pattern: bytes) -> bool:
    """The same for an extended POSIX expression, of which only the text tells that it begins with the key."""
    return pattern.startswith(b"^") and _fits(pattern, _POSIX) is False


def _fits(pattern: bytes, pieces: re.Pattern[bytes]) -> bool | None:
    """None where a piece is not known or a bracket not open; else whether there are alternatives outside brackets."""
    depth, index, bars = 0, 0, False
    while index < len(pattern):
        piece = pieces.match(pattern, index)
        if piece is None:
            return None
        depth += (piece.lastgroup == "open") - (piece.lastgroup == "close")
        bars |= piece.lastgroup == "bar" and not depth
        if depth < 0:
            return None
        index = piece.end()
    return bars if not depth else None


class Net:
    """An alternation. Where it cannot tell, it says that something is found: the patterns themselves are asked."""

    __slots__ = ("_expression", "groups", "starts")

    def __init__(self, expression: Expression) -> None:
        self._expression = expression
        self.groups = 0
        self.starts = False

    def search(self, subject: Subject) -> Groups | None:
        try:
            return self._expression.search(subject)
        except (TooMuch, Unanswered):
            return ()

    def search_between(self, subject: Subject, start: int, count: int, *, thorough: bool) -> Groups | None:
        return self.search(subject) if self._expression.apart(subject) is None else ()

    def apart(self, subject: Subject) -> Recipe | None:
        """Never: the patterns themselves say where they are to be searched."""
