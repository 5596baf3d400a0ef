"""Characters in patterns of Perl, whose subjects are octets: code points above 255 are in none."""

import re
from typing import Final

from gatepost.filter.rules.literals import Untranslatable

NAMED: Final = {"a": 7, "b": 8, "e": 27, "f": 12, "n": 10, "r": 13, "t": 9}
"""Escapes of one letter that stand for an octet; `\\b` does so within brackets only."""

_NUMBER: Final = re.compile(
    r"x\{\s*([0-9A-Fa-f_]+)\s*\}|x([0-9A-Fa-f]{1,2})|o\{\s*([0-7_]+)\s*\}|N\{U\+([0-9A-Fa-f]+)\}|(0[0-7]{0,2})|c([@-_a-z?])"
)

_FOLDED_FROM_OUTSIDE: Final = {0x39C: 0xB5, 0x3BC: 0xB5, 0x178: 0xFF, 0x1E9E: 0xDF, 0x212B: 0xE5}
"""Characters above 255 whose other case is an octet."""


def numbered(text: str, at: int) -> tuple[int, int] | None:
    """The code point of the escape whose letter stands at `at`, and where it ends; None where it is no such escape.
    Raises Untranslatable for one that is broken."""
    found = _NUMBER.match(text, at)
    if found is None:
        if text[at : at + 1] in ("x", "o"):
            raise Untranslatable(f"\\{text[at]} without digits")
        return None
    wide, narrow, octal, name, short, control = found.groups()
    if control:
        return ord(control.upper()) ^ 64, found.end()
    base = 8 if octal or short else 16
    return int((wide or narrow or octal or name or short).replace("_", ""), base), found.end()


def other_case(code: int) -> int | None:
    """The other case of an octet above 127 under /i: Perl's /aa folds those as Latin-1, PCRE2 over octets does not."""
    if 0xC0 <= code <= 0xDE and code != 0xD7:
        return code + 32
    if 0xE0 <= code <= 0xFE and code != 0xF7:
        return code - 32
    return None


def within(code: int, caseless: bool) -> int | None:
    """The octet that a code point may match, None for none."""
    if code < 256:
        return code
    return _FOLDED_FROM_OUTSIDE.get(code) if caseless else None


_CASED: Final = re.compile(r"([pP])(?:\{(\^?)L[ult]\})")


def property_of(text: str, *, caseless: bool) -> str:
    """A property of characters, without its backslash. Under /i, upper, lower and title case letters are those of any case."""
    return _CASED.sub(r"\1{\2L&}", text) if caseless else text


def written(code: int) -> str:
    """An octet as a pattern has it, whatever stands around it."""
    character = chr(code)
    return character if character.isascii() and character.isalnum() else f"\\x{code:02x}"
