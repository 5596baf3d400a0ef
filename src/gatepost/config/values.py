"""Typed readings of parameter values: numbers, booleans, times, lists (postconf(5)). All raise ValueError in plain words."""

import re

from gatepost.mail.ascii_text import SEPARATORS, elements

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
"""Seconds in one unit of time."""

_INTEGER = re.compile(r"[+-]?[0-9]+")
_TIME = re.compile(r"([0-9]+)\s*([smhdwSMHDW]?)", re.ASCII)
_GREATEST = 2**63 - 1
_LONGEST_TIME = 2**31 - 1
_LONG = 100
_BOOLEANS = {"yes": True, "no": False}


def boolean(text: str) -> bool:
    """`yes` or `no`, in any case of letters."""
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError("bad boolean configuration") from None


def integer(text: str, bits: int = 32) -> int:
    """A whole number of so many bits, with a sign."""
    if not _INTEGER.fullmatch(text) or (number := _bounded(text)) is None or not -1 << bits - 1 <= number < 1 << bits - 1:
        raise ValueError("bad numerical configuration")
    return number


def seconds(text: str, unit: str = "s") -> int:
    """A time in seconds, from a number and an optional unit `s m h d w`; `unit` counts where none is written."""
    match = _TIME.fullmatch(text)
    number = _bounded(match[1]) if match else None
    if match is None or number is None or (found := number * UNITS[match[2].lower() or unit]) > _LONGEST_TIME:
        raise ValueError("bad time value or unit")
    return found


def _bounded(digits: str) -> int | None:
    """The number, None where it has more than 64 bits; of any length, beyond what Python would read."""
    number = int(digits) if len(digits) < _LONG else 0 if not digits.strip("+-0") else None
    return None if number is None or abs(number) > _GREATEST else number


def split(text: str) -> list[str]:
    """The elements of a list, which commas or white space separate; what stands in `{...}` stays together, braces and all."""
    if "{" not in text:
        return elements(text)
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
