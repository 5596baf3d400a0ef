"""Typed readings of parameter values: numbers, booleans, times, lists (postconf(5)). All raise ValueError in plain words."""

import re

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
"""Seconds in one unit of time."""

SEPARATORS = ", \t\r\n\v\f"

_INTEGER = re.compile(r"[+-]?\d+")
_TIME = re.compile(r"(\d+)\s*([smhdwSMHDW]?)")
_BOOLEANS = {"yes": True, "no": False}


def boolean(text: str) -> bool:
    """`yes` or `no`, in any case of letters."""
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError("bad boolean configuration") from None


def integer(text: str) -> int:
    """A whole number."""
    if not _INTEGER.fullmatch(text):
        raise ValueError("bad numerical configuration")
    return int(text)


def seconds(text: str, unit: str = "s") -> int:
    """A time in seconds, from a number and an optional unit `s m h d w`; `unit` counts where none is written."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("bad time value or unit")
    return int(match[1]) * UNITS[match[2].lower() or unit]


def split(text: str) -> list[str]:
    """The elements of a list, which commas or white space separate; what stands in `{...}` stays together, braces and all."""
    if "{" not in text:
        return text.replace(",", " ").split()
    return tokens(text, SEPARATORS)


def tokens(text: str, separators: str) -> list[str]:
    """Split at any of `separators` outside `{...}`. Braces that do not match hold the rest together."""
    found: list[str] = []
    level, start = 0, -1
    for at, char in enumerate(text):
        if char == "{":
            level += 1
        elif char == "}" and level:
            level -= 1
        if level or char not in separators:
            if start < 0:
                start = at
        elif start >= 0:
            found.append(text[start:at])
            start = -1
    if start >= 0:
        found.append(text[start:])
    return found
