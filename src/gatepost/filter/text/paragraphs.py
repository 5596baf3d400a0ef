"""Rendered text cut into what one match of a rule sees: paragraphs for `body`, chunks for `rawbody`."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

_GAP: Final = re.compile(rb"\n\s*\n")
_BLANKS: Final = re.compile(rb"[ \t\n\r\x0b]+")
_SHORT: Final = re.compile(rb".{1,2048}\Z|.{1,2048} |.{1,2048}", re.DOTALL)
_CHUNK: Final = re.compile(rb".{2048,4096}?\n|.{2048,4096}?\s|.{1,2049}", re.DOTALL)
_WHOLE: Final = 4096
"""Octets of a text, or of the rest of one, that is not cut any more."""


def paragraphs(subject: bytes, texts: Sequence[bytes]) -> Iterator[bytes]:
    """Those of a message. `subject`: decoded, ended by LF; `texts`: of each part, empty where it has none."""
    text = subject + b"".join([b"\n" + text for text in texts])
    for paragraph in _BLANKS.sub(b" ", _GAP.sub(b"\0", text)).replace(b"\0", b"\n").splitlines(keepends=True):
        yield from _SHORT.findall(paragraph)


def chunks(text: bytes) -> Iterator[bytes]:
    """Those of a part's text."""
    at = 0
    while len(text) - at > _WHOLE and (found := _CHUNK.match(text, at)):
        yield found[0]
        at = found.end()
    yield text[at:]
