"""The text of a table that is built (postmap(1), postalias(1)), block by block: a file may be of any size.

Most lines of a large file are plain: `key value`, in ASCII, without quotes. A block of such lines is taken apart at once.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from gatepost.lookup.sorted_runs import Entry

_BLOCK: Final = 4 << 20
"""Octets of a block; one with a logical line that is longer is larger."""
_START = re.compile(rb"\n(?=[^\s#])")
_PLAIN = re.compile(
    rb"^(?:#[^\n]*+|(?:([!$-\[\]-~]{1,511}+)(?<!:)[ \t]++([!-~]++(?>(?:[ \t]++[!-~]++)*)))?[ \t\r]*+)\n", re.MULTILINE
)
"""A comment, an entry whose key and value stand as they are, or nothing."""


def blocks(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """(number of its first line, from 1; whole lines) of each block. None ends within a logical line. Raises OSError."""
    number, text = 1, bytearray()
    while octets := file.read(_BLOCK):
        text += octets
        end = _last_start(text, len(text) - len(octets) - 1)
        if end > 0:
            yield number, bytes(text[:end])
            number += text.count(b"\n", 0, end)
            del text[:end]
    if text:
        yield number, bytes(text).removesuffix(b"\n") + b"\n"


def plain_entries(block: bytes) -> list[Entry] | None:
    """The entries of a block, as they stand there; None where a line has to be looked at more closely."""
    found: list[Entry] = _PLAIN.findall(block)
    if len(found) != block.count(b"\n"):
        return None
    return [entry for entry in found if entry[0]]


def _last_start(text: bytearray, since: int) -> int:
    """Where the last logical line begins, 0 where none does. `since`: where nobody has looked for it yet."""
    end = len(text) - 1
    while (end := text.rfind(b"\n", max(since, 0), end)) >= 0:
        if _START.match(text, end):
            return end + 1
    return 0
