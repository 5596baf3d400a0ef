"""The header section of a message as SpamAssassin cuts it, in one pass over the octets.

It is more lenient than RFC 5322 and than `mail/header.py`: a line that is no header is skipped and does not end the section, which
an empty line or one that begins with two dashes does. What a rule sees must not depend on what Postfix would have made of it.
"""

import re
from typing import Final

from msgspec import Struct

NAME_LIMIT: Final = 256
VALUE_LIMIT: Final = 8192
SECTION_LIMIT: Final = 65536
"""Octets of a name, of a value with its line ends, and of all fields together. What is more is not looked at."""

_END: Final = re.compile(rb"^\r?\n|^--", re.MULTILINE)
_FIELD: Final = re.compile(rb"^([^\s:][^:\n]*+):((?>[^\n]*(?:\n[ \t][^\n]*)*))", re.MULTILINE)
_OWN: Final = b"x-spam-"


class Field(Struct, frozen=True, array_like=True, gc=False):
    """A header. `key`: its name in lower case; `name`: as it stands; `raw`: what follows the colon, folded lines and all, without
    the last line end."""

    key: bytes
    name: bytes
    raw: bytes


class Section(Struct, frozen=True):
    """The headers of a message.

    fields: in order, without those of SpamAssassin itself (X-Spam-*), which nobody but us may have set.
    octets: the section as it stands, without the empty line that ends it.
    body: where what follows begins in the message.
    separated: an empty line ended it.
    truncated: it is longer than the limits.
    """

    fields: tuple[Field, ...]
    octets: bytes
    body: int
    separated: bool = True
    truncated: bool = False


def section(octets: bytes) -> Section:
    """The header section of a message, whose lines end in LF."""
    end = _END.search(octets)
    stop, body = (end.start(), end.end()) if end else (len(octets), len(octets))
    separated = end is not None and end.group() != b"--"
    fields: list[Field] = []
    room = SECTION_LIMIT
    truncated = False
    for match in _FIELD.finditer(octets, 0, stop):
        name, raw = match.groups()
        room -= match.end() - match.start() + 1
        if room < 0:
            truncated = True
            break
        truncated = truncated or len(raw) >= VALUE_LIMIT or len(name) > NAME_LIMIT
        name = name[:NAME_LIMIT].rstrip()
        field = Field(name.lower(), name, raw[:VALUE_LIMIT])
        if not field.key.startswith(_OWN):
            fields.append(field)
    return Section(tuple(fields), octets[:stop], body if separated else stop, separated, truncated)
