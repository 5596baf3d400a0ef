"""What stands behind a header's colon, as rules see it: on one line, in UTF-8."""

import re
from typing import Final

from gatepost.filter.headers.encoded_words import decoded, undeclared

_FOLD: Final = re.compile(rb"\n\s+")
_STRUCTURED: Final = re.compile(rb"(?:resent-)?(?:message-id|date)|in-reply-to|references|received|mime-version|list-.*")
"""Headers in which encoded words mean nothing, and are left as they stand."""


def unfolded(raw: bytes) -> bytes:
    """A value on one line, one blank where it was folded."""
    return _FOLD.sub(b" ", raw).strip() if b"\n" in raw else raw.strip()


def text(key: bytes, raw: bytes) -> bytes:
    """The value of a header on one line and in UTF-8. `key`: its name in lower case."""
    value = unfolded(raw)
    if b"=?" in value and not _STRUCTURED.fullmatch(key):
        return decoded(value)
    return undeclared(value)
