"""Macro strings of SPF: their grammar and what they expand to (RFC 7208 §7).

Work is bounded whatever a record says: of a name only what remains after truncation is made, of a text only what is shown.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from msgspec import Struct

NAME_LIMIT = 253
"""Characters of a name; a longer one loses labels on its left (§7.3)."""

_LETTERS = frozenset("slodiphv")
_LETTERS_OF_TEXTS = _LETTERS | frozenset("crt")
_TOKEN = re.compile(r"([^%]+)|%([%_-])|%\{([A-Za-z])([0-9]*)([rR]?)([-.+,/_=]*)\}", re.ASCII)
_NAME_CHARACTERS = re.compile(r"[!-~]*\Z", re.ASCII)
_TEXT_CHARACTERS = re.compile(r"[ -~]*\Z", re.ASCII)
_TOP_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\Z", re.ASCII)
_PLAIN = {"%": "%", "_": " ", "-": "%20"}
_EVERYTHING = 1000  # parts: no value of ours has as many, RFC 7208 §7.1 wants 127


class MacroError(ValueError):
    """The text is not a macro string; a permanent error in a record."""


class Macro(Struct, frozen=True):
    """`%{letter parts r delimiters}`. `parts`: how many on the right, 0 for all; `escaped`: written as in a URL."""

    letter: str
    parts: int
    reverse: bool
    delimiters: str
    escaped: bool


class MacroString(Struct, frozen=True):
    """Literal texts and macros in turn; `letters`: those of its macros."""

    pieces: tuple[str | Macro, ...]
    letters: frozenset[str]


def macro_string(text: str) -> MacroString:
    """A macro string as an unknown modifier may have it. Raises MacroError."""
    if _NAME_CHARACTERS.match(text) is None:
        raise MacroError(f"a character that is not allowed in {shown(text)}")
    return _parsed(text, _LETTERS_OF_TEXTS)[0]


def domain_spec(text: str) -> MacroString:
    """What names a domain: it ends in a macro, or in a dot and a label that may be a top one (§7.1). Raises MacroError."""
    if _NAME_CHARACTERS.match(text) is None:
        raise MacroError(f"a character that is not allowed in {shown(text)}")
    parsed, ending = _parsed(text, _LETTERS)
    if not parsed.pieces:
        raise MacroError("a domain is missing")
    if ending is not None:
        _, dot, label = ending.removesuffix(".").rpartition(".")
        if not dot or _TOP_LABEL.match(label) is None or label.isdigit():
            raise MacroError(f"{shown(text)} is no domain")
    return parsed


def explain_string(text: str) -> MacroString:
    """The text of an explanation (§6.2). Raises MacroError."""
    if _TEXT_CHARACTERS.match(text) is None:
        raise MacroError("an explanation that is not ASCII")
    return _parsed(text, _LETTERS_OF_TEXTS)[0]


def _parsed(text: str, allowed: frozenset[str]) -> tuple[MacroString, str | None]:
    """The macro string, and the literal text in which it ends, None where that is a macro."""
    if "%" not in text:
        return MacroString((text,) if text else (), frozenset()), text
    pieces: list[str | Macro] = []
    letters: set[str] = set()
    at, ending = 0, None
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise MacroError(f"bad macro in {shown(text)}")
        at = token.end()
        literal, plain, letter, digits, reverse, delimiters = token.groups()
        ending = literal
        if letter is None:
            pieces.append(literal or _PLAIN[plain])
            continue
        macro = _macro(letter, digits, reverse, delimiters)
        if macro.letter not in allowed:
            raise MacroError(f"macro letter {letter} is not allowed in {shown(text)}")
        letters.add(macro.letter)
        pieces.append(macro)
    return MacroString(tuple(pieces), frozenset(letters)), ending


def _macro(letter: str, digits: str, reverse: str, delimiters: str) -> Macro:
    number = digits.lstrip("0")
    if digits and not number:
        raise MacroError("a macro of no parts")
    parts = int(number) if 0 < len(number) < 4 else _EVERYTHING if number else 0
    return Macro(letter.lower(), parts, bool(reverse), "".join(sorted(set(delimiters or "."))), letter.isupper())


def shown(text: str) -> str:
    """A stranger's words as they stand in a problem."""
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return "".join(c if " " <= c <= "~" else "?" for c in text)


@lru_cache(1024)
def transformed(macro: Macro, value: str) -> str:
    """`value` as `macro` wants it (§7.3)."""
    if macro.parts or macro.reverse or macro.delimiters != ".":
        for delimiter in macro.delimiters:
            value = value.replace(delimiter, "\0")
        parts = value.split("\0")
        if macro.reverse:
            parts.reverse()
        value = ".".join(parts[-macro.parts :] if macro.parts else parts)
    return quote(value, safe="-._~", errors="surrogateescape") if macro.escaped else value


def expand_name(spec: MacroString, values: Mapping[str, str]) -> str:
    """A name to ask for, without a final dot; `values` by letter. Its left labels are cut where it is too long (§7.3)."""
    pieces: list[str] = []
    length = 0
    for piece in reversed(spec.pieces):
        text = piece if isinstance(piece, str) else transformed(piece, values[piece.letter])
        pieces.append(text)
        length += len(text)
        if length > NAME_LIMIT + 1:  # what stands further left is cut in any case
            break
    name = "".join(reversed(pieces)).removesuffix(".")
    if len(name) <= NAME_LIMIT:
        return name
    # The label that begins before the limit goes whole. None is left where the last one alone is too long.
    return name[-NAME_LIMIT - 1 :].partition(".")[2]


def expand_text(spec: MacroString, values: Mapping[str, str], limit: int) -> str:
    """A text of at most `limit` characters."""
    pieces: list[str] = []
    length = 0
    for piece in spec.pieces:
        text = piece if isinstance(piece, str) else transformed(piece, values[piece.letter])
        pieces.append(text)
        length += len(text)
        if length >= limit:
            break
    return "".join(pieces)[:limit]
