"""Character references of HTML 4: those of latin-1 without their semicolon too, numbers as they stand."""

import codecs
import re
from html.entities import name2codepoint
from typing import Final

codecs.lookup("utf-16")  # where mail is scanned, nothing can be loaded any more
_NAMED: Final = {name: chr(code) for name, code in name2codepoint.items()} | {"apos": "'"}
_SHORT: Final = {name: character for name, character in _NAMED.items() if character < "\u0100"}
_LONGEST: Final = max(map(len, _SHORT))
_REFERENCE: Final = re.compile(
    r"&(?:#(?:([0-9]{1,7})(?![0-9])|[xX]([0-9A-Fa-f]{1,6})(?![0-9A-Fa-f]));?|([A-Za-z][A-Za-z0-9]{0,30})(;?))"
)
_SURROGATE: Final = re.compile("[\ud800-\udbff\udd00-\udfff]")
"""Halves of characters, which some write as two numbers; but for those that stand for octets that are not UTF-8."""
_LAST: Final = 0x10FFFF


def unescaped(text: str) -> str:
    """`text` with its references resolved; what is none stays as it is."""
    if "&" not in text:
        return text
    found = _REFERENCE.sub(_character, text)
    return found if _SURROGATE.search(found) is None else found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(reference: re.Match[str]) -> str:
    decimal, hexadecimal, name, semicolon = reference.groups()
    if name is None:
        code = int(decimal) if decimal else int(hexadecimal, 16)
        if not 0 < code <= _LAST:
            return reference[0]
        return chr(code)
    if semicolon and name in _NAMED:
        return _NAMED[name]
    for length in range(min(len(name), _LONGEST), 1, -1):
        if (character := _SHORT.get(name[:length])) is not None:
            return character + name[length:] + semicolon
    return reference[0]
