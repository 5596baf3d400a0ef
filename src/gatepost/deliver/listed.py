"""The text of lists of recipients: members of an alias, lines of a .forward file or an :include: list (aliases(5))."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from gatepost.mail.header_address import addresses, internal, parse
from gatepost.net.turns import beside

_LINE: Final = re.compile(r"[^\n]+")

ALIAS, FORWARD, INCLUDE = "alias", "forward", "include"
"""What listed a recipient: the words of allow_mail_to_commands and allow_mail_to_files."""


def members(text: str) -> Iterator[str]:
    """The recipients that a text lists, in internal form."""
    yield from (internal(token.parts) for token in addresses(parse(text)))


def words(data: bytes) -> Iterator[str]:
    """The recipients that a file lists; a line that begins with `#` is a comment."""
    for line in _LINE.finditer(data.decode("utf-8", "surrogateescape")):
        if not line[0].startswith("#"):
            yield from members(line[0])


MOST: Final = 100_000
"""Recipients of one list; with more, the mail waits."""


async def all_of(listed: Iterator[str], size: int) -> list[str] | None:
    """What is listed in `size` octets; None for more than MOST. A long list is read by a thread, so that the loop goes on."""
    found = await beside(size, list, islice(listed, MOST + 1))
    return found if len(found) <= MOST else None


def included(word: str) -> str | None:
    """The path of `:include:path`; None for any other recipient."""
    return word[9:] if word[:9].lower() == ":include:" else None
