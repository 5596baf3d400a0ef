"""Backslash sequences of PCRE (pcre2pattern(3)) in the form that Python's `re` knows."""

import re

from gatepost.lookup.patterns import Unsupported

_SAME = frozenset("dDwWsSbBAafnrt")
_OUTSIDE = {
    "h": r"[ \t\xa0]", "H": r"[^ \t\xa0]", "v": r"[\n-\r\x85]", "V": r"[^\n-\r\x85]", "N": r"[^\n]",
    "R": r"(?:\r\n|[\n-\r\x85])", "z": r"\Z", "Z": r"(?=\n?\Z)", "e": r"\x1b", "E": "",
}  # fmt: skip
_INSIDE = {"h": r" \t\xa0", "v": r"\n-\r\x85", "e": r"\x1b", "b": r"\x08", "E": ""}
_UNSUPPORTED = frozenset("KGXCpPNRHV")
_CODE = re.compile(
    r"\\(?:x\{(?P<braced>[0-9A-Fa-f]+)\}|x(?P<hex>[0-9A-Fa-f]{0,2})|o\{(?P<octal>[0-7]+)\}|(?P<zero>0[0-7]{0,2})|c(?P<control>.))"
)
_REFERENCE = re.compile(r"\\(?:g\{(-?\w+)\}|g(-?\d+)|k<(\w+)>|k\{(\w+)\}|k'(\w+)'|([1-9]\d?))", re.ASCII)


def _character(code: re.Match[str]) -> str:
    if code["control"]:
        return chr(ord(code["control"].upper()) ^ 64)
    if code["octal"] or code["zero"]:
        return chr(int(code["octal"] or code["zero"], 8))
    number = int(code["braced"] or code["hex"] or "0", 16)
    if number > 255:
        raise ValueError("error in regex: character code point value in \\x{} or \\o{} is too large")
    return chr(number)


def _refuse(pattern: str, index: int) -> ValueError:
    if index + 1 >= len(pattern):
        return ValueError(f"error in regex at offset {index + 1}: \\ at end of pattern")
    return ValueError(f"error in regex at offset {index + 2}: unrecognized character follows \\")


def inside(pattern: str, index: int) -> tuple[str, int]:
    """(Python's form, index after it) of the escape at `pattern[index]`, inside brackets. Raises ValueError, Unsupported."""
    code = _CODE.match(pattern, index)
    if code:
        return re.escape(_character(code)), code.end()
    letter = pattern[index + 1 : index + 2]
    if letter in _INSIDE:
        return _INSIDE[letter], index + 2
    if letter in _UNSUPPORTED:
        raise Unsupported(f"\\{letter} inside brackets is not supported in pcre patterns")
    if letter.isascii() and letter.isdigit():
        return f"\\x{int(letter):02x}", index + 2
    if letter in _SAME or (letter and not (letter.isascii() and letter.isalnum())):
        return "\\" + letter, index + 2
    raise _refuse(pattern, index)


def outside(pattern: str, index: int, groups: int) -> tuple[str, int]:
    """(Python's form, index after it) of the escape at `pattern[index]`, outside brackets; `groups`: how many opened before it.

    Raises ValueError, Unsupported."""
    code = _CODE.match(pattern, index)
    if code:
        return re.escape(_character(code)), code.end()
    reference = _REFERENCE.match(pattern, index)
    if reference:
        return back_reference(reference[reference.lastindex or 0], groups), reference.end()
    letter = pattern[index + 1 : index + 2]
    if letter in _OUTSIDE:
        return _OUTSIDE[letter], index + 2
    if letter in _UNSUPPORTED:
        raise Unsupported(f"\\{letter} is not supported in pcre patterns")
    if letter in _SAME:
        return "\\" + letter, index + 2
    if letter and not (letter.isascii() and letter.isalnum()):
        return re.escape(letter), index + 2
    raise _refuse(pattern, index)


def back_reference(name: str, groups: int) -> str:
    """What matched in the group of that name or number; a negative number counts back from here."""
    if not name.lstrip("-").isdigit():
        return f"(?P={name})"
    number = int(name) if name[0] != "-" else groups + 1 + int(name)
    return f"(?:\\{number})"
