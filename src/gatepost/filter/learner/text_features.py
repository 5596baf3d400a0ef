"""What a message says: its words and pairs of them."""

import re
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import Final

from gatepost.filter.port import Examined

READ: Final = 16_384
"""Characters of the text that are read; what follows tells nothing more."""
_WORDS: Final = 3000
_HIDDEN: Final = 400
_FIRST: Final = 25
_LAST: Final = 15
_LONGEST: Final = 24
_WORD: Final = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*|[$€£!]+|[^\w\s]{3,}")


def words(text: str, most: int) -> list[str]:
    """Its words in lower case, and runs of other signs; long numbers by how long they are."""
    found = [match[0].lower()[:_LONGEST] for match in islice(_WORD.finditer(text), most)]
    return [f"#{len(word)}" if len(word) > 3 and word.isdigit() else word for word in found]


def shown_text(examined: Examined) -> str:
    """What a reader sees, as far as it is read. The Subject, with which it begins, is the sender's group's."""
    return _joined(examined.text.visible[1:], READ)


def text_tokens(examined: Examined) -> Iterator[str]:
    """Words, pairs of words, the first and last words, and what is hidden."""
    found = words(shown_text(examined), _WORDS)
    yield from (f"word:{word}" for word in found)
    yield from (f"pair:{first} {second}" for first, second in pairwise(found))
    yield from (f"first:{word}" for word in found[:_FIRST])
    yield from (f"last:{word}" for word in found[-_LAST:])
    yield from (f"hidden:{word}" for word in words(_joined(examined.text.invisible, READ // 4), _HIDDEN))


def _joined(lines: tuple[bytes, ...], most: int) -> str:
    return b"".join(lines)[: 4 * most].decode("utf-8", "replace")[:most]
