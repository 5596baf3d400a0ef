"""`regexp:/path`: POSIX extended regular expressions (regexp_table(5), regex(7)), run by Python's `re`.

Known difference: where several alternatives match at one place, `re` takes the first, POSIX the longest; whether a
pattern matches is the same, what `$1` holds may differ.
"""

import re

from gatepost.lookup.basic_expression import to_extended
from gatepost.lookup.expression_class import read_bracket
from gatepost.lookup.opening import Opening
from gatepost.lookup.patterns import Dialect, open_patterns
from gatepost.lookup.port import Table

_INTERVAL = re.compile(r"\{(\d*)(,?)(\d*)\}", re.ASCII)
_GREATEST = 32767  # RE_DUP_MAX
# GNU's additions to POSIX that the C library knows.
_ESCAPES = {"<": r"\b(?=\w)", ">": r"\b(?<=\w)", "`": r"\A", "'": r"\Z"} | {c: "\\" + c for c in "wWsSbB"}


class _Translation:
    """One pattern on its way; `out` is Python's form so far, `atom` where its last atom begins (-1: nothing to repeat)."""

    def __init__(self, pattern: str, *, multiline: bool) -> None:
        self.pattern = pattern
        self.multiline = multiline
        self.out: list[str] = []
        self.atom = -1
        self.groups: list[int] = []

    def run(self) -> str:
        index = 0
        while index < len(self.pattern):
            index = self._step(index)
        if self.groups:
            raise ValueError("Unmatched ( or \\(")
        return "".join(self.out)

    def _emit(self, text: str) -> None:
        self.atom = len(self.out)
        self.out.append(text)

    def _mark(self, text: str) -> None:
        """Something that cannot be repeated."""
        self.out.append(text)
        self.atom = -1

    def _step(self, index: int) -> int:
        character = self.pattern[index]
        if character == "[":
            text, index = read_bracket(self.pattern, index, newline=not self.multiline)
            self._emit(text)
            return index
        if character == "\\":
            return self._escape(index)
        interval = _INTERVAL.match(self.pattern, index) if character == "{" else None
        if interval:
            self._repeat(_bounds(interval))
            return interval.end()
        if character == "(":
            self.groups.append(len(self.out))
            self._mark("(")
        elif character == ")" and self.groups:
            start = self.groups.pop()
            self.out.append(")")
            self.atom = start
        elif character == "|":
            self._mark("|")
        elif character in "*+?":
            self._repeat(character)
        elif character == "^":
            self._mark("^" if self.multiline else r"\A")
        elif character == "$":
            self._mark("$" if self.multiline else r"\Z")
        else:
            self._emit(character if character == "." else re.escape(character))
        return index + 1

    def _escape(self, index: int) -> int:
        escaped = self.pattern[index + 1 : index + 2]
        if not escaped:
            raise ValueError("Trailing backslash")
        if escaped.isascii() and escaped.isdigit() and escaped != "0":
            self._emit(f"(?:\\{escaped})")
        else:
            self._emit(_ESCAPES.get(escaped) or re.escape(escaped))
        return index + 2

    def _repeat(self, quantifier: str) -> None:
        if self.atom < 0:
            raise ValueError("Invalid preceding regular expression")
        # Grouping keeps `a*?` and `a*+` from meaning what they mean to Python.
        self.out.insert(self.atom, "(?:")
        self.out.append(f"){quantifier}")


def _bounds(interval: re.Match[str]) -> str:
    low, comma, high = interval.groups()
    if not low and not comma:
        raise ValueError("Invalid preceding regular expression")
    if (low and high and int(low) > int(high)) or max(int(low or 0), int(high or 0)) > _GREATEST:
        raise ValueError("Invalid content of \\{\\}")
    return f"{{{low or 0}{comma}{high}}}"


def _compile(pattern: str, flags: frozenset[str]) -> re.Pattern[str]:
    if "x" in flags:
        pattern = to_extended(pattern)
    multiline = "m" in flags
    options = re.ASCII | (re.MULTILINE if multiline else re.DOTALL) | (re.NOFLAG if "i" in flags else re.IGNORECASE)
    return re.compile(_Translation(pattern, multiline=multiline).run(), options)


_DIALECT = Dialect("regexp", "imx", _compile)


def open_table(opening: Opening) -> Table:
    """Raises Unavailable where the file cannot be read."""
    return open_patterns(opening, _DIALECT)
