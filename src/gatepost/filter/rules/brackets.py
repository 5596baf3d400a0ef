"""Bracketed character classes of Perl (perlrecharclass(1)), rewritten so that PCRE2 sees the same octets in them."""

import functools
import re
from typing import Final

from gatepost.filter.rules.literals import Untranslatable
from gatepost.filter.rules.octets import NAMED, numbered, other_case, property_of, within, written

LONGEST_NAME: Final = 40
"""Octets of the name of a class within a class."""
NOTHING: Final = "(?!)"
ANYTHING: Final = "(?s:.)"

_POSIX: Final = re.compile(r"\[:\^?[a-z]+:\]")
_KINDS: Final = frozenset("dDwWsShHvV")
_PROPERTY: Final = re.compile(r"[pP](?:\{[^}]*\}|[A-Z])")

_PLAIN: Final = re.compile(r"\[(?:\^|(?!\^))(?:[^][\\]|\\[^\s\w]|\\x[0-9A-Fa-f]{2}|\\[wWdDsSnrt])+\]", re.ASCII)
"""A class whose end is plain to see."""

_Item = int | str
"""What stands in a class: a code point, or what stands for many of them."""


def bracketed(text: str, at: int, *, caseless: bool, blanks: bool) -> tuple[str, int]:
    """The class whose `[` stands at `at`, rewritten, and where it ends. `blanks`: whether blanks in it mean nothing (/xx).
    Raises Untranslatable."""
    plain = _PLAIN.match(text, at)
    if plain:
        return _rewritten(plain.group(), caseless, blanks), plain.end()
    return _parsed(text, at, caseless, blanks)


@functools.lru_cache(maxsize=10_000)
def _rewritten(text: str, caseless: bool, blanks: bool) -> str:
    """A class that is the whole text: rules have the same ones again and again, 200,000 in Debian's."""
    return _parsed(text, 0, caseless, blanks)[0]


def _parsed(text: str, at: int, caseless: bool, blanks: bool) -> tuple[str, int]:
    at += 1
    negated = text.startswith("^", at)
    at += negated
    members: list[str] = []
    first = True
    while True:
        if at >= len(text):
            raise Untranslatable("a [ without its ]")
        if text[at] == "]" and not first:
            break
        if blanks and text[at] in " \t":
            at += 1
            continue
        low, at = _item(text, at, caseless)
        high: _Item = low
        if text.startswith("-", at) and at + 1 < len(text) and text[at + 1] != "]":
            high, at = _item(text, at + 1, caseless)
        members.append(_member(low, high, caseless))
        first = False
    inside = "".join(members)
    if not inside:
        return (ANYTHING if negated else NOTHING), at + 1
    return f"[{'^' if negated else ''}{inside}]", at + 1


def _item(text: str, at: int, caseless: bool) -> tuple[_Item, int]:
    if text[at] == "[" and text[at + 1 : at + 2] in (":", ".", "="):
        posix = _POSIX.match(text, at)
        if posix:
            return posix.group(), posix.end()
        if text[at + 1] != ":" or text.find(":]", at, at + LONGEST_NAME) > 0:
            raise Untranslatable("a class within a class that is not known")
    if text[at] != "\\":
        return ord(text[at]), at + 1
    letter = text[at + 1 : at + 2]
    if not letter:
        raise Untranslatable("a [ without its ]")
    if letter in NAMED:
        return NAMED[letter], at + 2
    if letter in _KINDS:
        return f"\\{letter}", at + 2
    found = _PROPERTY.match(text, at + 1)
    if found:
        return f"\\{property_of(found.group(), caseless=caseless)}", found.end()
    number = _octal(text, at + 1) or numbered(text, at + 1)
    if number:
        return number
    if letter.isascii() and letter.isalnum():
        raise Untranslatable(f"\\{letter} means nothing between brackets")
    return ord(letter), at + 2


def _octal(text: str, at: int) -> tuple[int, int] | None:
    found = re.compile(r"[0-7]{1,3}").match(text, at)
    return (int(found.group(), 8), found.end()) if found else None


def _member(low: _Item, high: _Item, caseless: bool) -> str:
    if isinstance(low, str) or isinstance(high, str):
        if low == high:
            return str(low)
        raise Untranslatable("a range whose end is no character")
    if low > high:
        raise Untranslatable("a range whose end comes before its beginning")
    if low == high:
        octet = within(low, caseless)
        return "" if octet is None else _spans(octet, octet, caseless)
    return "" if low > 255 else _spans(low, min(high, 255), caseless)


def _spans(low: int, high: int, caseless: bool) -> str:
    ranges = [(low, high)]
    if caseless and high > 127:
        others = sorted(other for code in range(max(low, 128), high + 1) if (other := other_case(code)) is not None)
        ranges += _runs([other for other in others if not low <= other <= high])
    return "".join(written(a) if a == b else f"{written(a)}-{written(b)}" for a, b in ranges)


def _runs(codes: list[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1] = (runs[-1][0], code)
        else:
            runs.append((code, code))
    return runs
