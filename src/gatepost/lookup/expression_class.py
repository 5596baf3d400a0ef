"""Bracket expressions: POSIX's `[[:alpha:]…]`, which Python's `re` does not know, rewritten into what it does."""

from collections.abc import Callable

Escape = Callable[[str, int], tuple[str, int]]
"""(pattern, index of a backslash) to (Python's form inside brackets, index after the escape)."""

# Members of the POSIX classes in the C locale (regex(7)), as they stand inside Python brackets; PCRE adds `word`.
_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7f", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9",
    "graph": r"\x21-\x7e", "lower": "a-z", "print": r"\x20-\x7e", "punct": r"!-/:-@\[-`{-~", "space": r"\t-\r ",
    "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_NEGATED = {
    "alnum": r"\x00-/:-@\[-`{-\U0010ffff", "alpha": r"\x00-@\[-`{-\U0010ffff", "ascii": r"\x80-\U0010ffff",
    "blank": r"\x00-\x08\n-\x1f!-\U0010ffff", "cntrl": r" -~\x80-\U0010ffff", "digit": r"\D",
    "graph": r"\x00- \x7f-\U0010ffff", "lower": r"\x00-`{-\U0010ffff", "print": r"\x00-\x1f\x7f-\U0010ffff",
    "punct": r"\x00- 0-9A-Za-z\x7f-\U0010ffff", "space": r"\x00-\x08\x0e-\x1f!-\U0010ffff",
    "upper": r"\x00-@\[-\U0010ffff", "word": r"\W", "xdigit": r"\x00-/:-@G-`g-\U0010ffff",
}  # fmt: skip
# What Python reads as something else inside brackets, now or by announcement (set operations).
_SPECIAL = frozenset("[]^-&~|")


class Unmatched(ValueError):
    """A bracket expression that does not end."""

    def __init__(self) -> None:
        super().__init__("Unmatched [, [^, [:, [., or [=")


def read_bracket(pattern: str, start: int, *, escape: Escape | None = None, newline: bool = True) -> tuple[str, int]:
    """(Python's form, index after the end) of the bracket expression at `pattern[start]`.

    `escape` reads what follows a backslash, as in PCRE; in POSIX, without it, that is a character like any other.
    `newline`: a negated expression matches it.
    Raises ValueError, in the words of regcomp(3).
    """
    index = start + 1
    negated = pattern[index : index + 1] == "^"
    index += negated
    first = index
    out = ["[^" if negated else "["]
    if negated and not newline:
        out.append(r"\n")
    while True:
        character = pattern[index : index + 1]
        if not character:
            raise Unmatched
        if character == "]" and index > first:
            return "".join(out) + "]", index + 1
        if character == "[" and pattern[index + 1 : index + 2] in (":", ".", "="):
            member, index = _named(pattern, index)
            out.append(member)
        elif character == "\\" and escape:
            member, index = escape(pattern, index)
            out.append(member)
        elif character == "-":
            out.append("-" if _is_range(pattern, index, first) else r"\-")
            index += 1
        else:
            out.append("\\" + character if character in _SPECIAL or character == "\\" else character)
            index += 1


def _is_range(pattern: str, index: int, first: int) -> bool:
    """Whether the hyphen at `index` stands between two ends of a range."""
    before, after = pattern[index - 1], pattern[index + 1 : index + 2]
    closes_class = before == "]" and index >= 2 and pattern[index - 2] in ":.="
    return index > first and after not in ("]", "") and not closes_class and pattern[index + 1 : index + 3] != "[:"


def _named(pattern: str, index: int) -> tuple[str, int]:
    kind = pattern[index + 1]
    end = pattern.find(f"{kind}]", index + 2)
    if end < 0:
        if kind == ":":
            return r"\[", index + 1
        raise Unmatched
    name = pattern[index + 2 : end]
    if kind == ":":
        members = _NEGATED.get(name[1:]) if name.startswith("^") else _CLASSES.get(name)
        if members is None:
            raise ValueError("Invalid character class name")
        return members, end + 2
    if len(name) != 1:
        raise ValueError("Invalid collation character")
    return "\\" + name if name in _SPECIAL or name == "\\" else name, end + 2
