"""Rendered text cut into what one match of a rule sees: paragraphs for `body`, chunks for `rawbody`."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

_GAP: Final = re.compile(rb"\n\s*\n")
_BLANKS: Final = re.compile(rb"[ \t\n\r\f\x0b]+")
_SHORT: Final = re.compile(rb".{1,2048}\Z|.{1,2048} |.{1,2048}", re.DOTALL)
_PARAGRAPH: Final = 2048
"""Octets of a paragraph that is not cut."""
_CHUNK: Final = re.compile(rb".{2048,4095}?\n|.{2048,4095}?>|.{2048,4095}?\s|.{1,2049}", re.DOTALL)
_LINE_END: Final = re.compile(rb".{0,999}?(?:\n)|.{0,999}?\s", re.DOTALL)
_WHOLE: Final = 4096
"""Octets of a text, or of the rest of one, that is not cut any more."""


def cut(text: bytes, most: int) -> bytes:
    """`text` up to the line end that follows the first `most` octets, or to a blank if no line end is near; 0 for no limit."""
    if not most or len(text) <= most:
        return text
    found = _LINE_END.match(text, most)
    return text[: found.end() if found else most]


def paragraphs(texts: Sequence[bytes]) -> Iterator[bytes]:
    """Those of a message. `texts`: of each part, empty where it has none."""
    text = b""
    for one in texts:
        text += b"\n" + one if text else one
    for paragraph in _BLANKS.sub(b" ", _GAP.sub(b"\0", text)).replace(b"\0", b"\n").splitlines(keepends=True):
        if len(paragraph) <= _PARAGRAPH:
            yield paragraph
        else:
            yield from _SHORT.findall(paragraph)


def chunks(text: bytes) -> Iterator[bytes]:
    """Those of a part's text."""
    at = 0
    while len(text) - at > _WHOLE and (found := _CHUNK.match(text, at)):
        yield found[0]
        at = found.end()
    yield text[at:]
