"""Patterns as they stand in rule files: delimiters and modifiers (perlop(1), Regexp Quote-Like Operators)."""

import re
from string import ascii_lowercase
from typing import Final

PAIRS: Final = {"{": "}", "(": ")", "[": "]", "<": ">"}


class Untranslatable(ValueError):
    """A pattern that cannot be taken over; the message says why."""


def halves(text: str) -> tuple[str, str]:
    """The pattern and the modifiers of `/pattern/i` or `m{pattern}i`. Raises Untranslatable."""
    marked = text.startswith("m")
    opening = text[1:2] if marked else text[:1]
    if not opening or opening.isalnum() or opening.isspace() or (not marked and opening != "/"):
        raise Untranslatable("a pattern stands between strokes, or between other marks after an m")
    start = 2 if marked else 1
    end = len(text.rstrip(ascii_lowercase)) - 1
    if end < start or text[end] != PAIRS.get(opening, opening):
        raise Untranslatable("the end of the pattern is missing, or what follows it is no modifier")
    body = text[start:end]
    if opening == "/" and _bare_stroke(body):
        raise Untranslatable("a stroke within the pattern has no backslash before it")
    return body, text[end + 1 :]


def _bare_stroke(body: str) -> bool:
    return "/" in body and "/" in re.sub(r"\\.", "", body, flags=re.DOTALL)
