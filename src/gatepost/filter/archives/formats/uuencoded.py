"""Files within text: uuencode(5), one or several, each `begin MODE NAME`, lines, `end`."""

import binascii
import re
from collections.abc import Iterator
from typing import Final

from gatepost.filter.archives.formats.member import Damaged, Member, Pieces

_BEGIN: Final = re.compile(rb"^begin(?:-base64)? [0-7]{3,4} ([^\r\n]{1,255})\r?\n", re.MULTILINE)
_END: Final = re.compile(rb"^(?:end|====)[ \t]*\r?$", re.MULTILINE)
_MOST: Final = 1000


def has_files(text: bytes) -> bool:
    """Whether there is anything that begins like one."""
    return _BEGIN.search(text) is not None


def members(octets: bytes) -> Iterator[Member]:
    """As `Format` has it. One that has no end goes to the end of the text. clamd finds them only in what it takes for a message."""
    at = 0
    for _ in range(_MOST):
        begin = _BEGIN.search(octets, at)
        if begin is None:
            return
        end = _END.search(octets, begin.end())
        stop = end.start() if end else len(octets)
        lines = octets[begin.end() : stop].splitlines()
        data = _base64(lines) if begin[0].startswith(b"begin-") else _decoded(lines)
        yield Member((begin[1].rstrip(),), len(data), pieces=_whole(data), foreign=True)
        at = stop
    raise Damaged


def _whole(data: bytes) -> Pieces:
    return lambda: iter((data,))


def _decoded(lines: list[bytes]) -> bytes:
    found = []
    for line in lines:
        try:
            found.append(binascii.a2b_uu(line))
        except binascii.Error:  # blanks that a mail program has added; or else no line of it
            try:
                found.append(binascii.a2b_uu(line[: (((line[0] - 32 & 63) * 4 + 5) // 3) + 1]))
            except (binascii.Error, IndexError):
                continue
    return b"".join(found)


def _base64(lines: list[bytes]) -> bytes:
    try:
        return binascii.a2b_base64(b"".join(lines))
    except binascii.Error:
        return b""
