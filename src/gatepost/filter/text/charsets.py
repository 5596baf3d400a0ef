"""Text in any charset as UTF-8, as SpamAssassin 4 has it (normalize_charset): what is wrongly or not declared is guessed."""

import codecs
import functools
from typing import Final

_ALIASES: Final = {"us-ascii": "cp1252", "ascii": "cp1252", "iso-8859-1": "cp1252", "latin1": "cp1252", "": "cp1252"}
"""Those that are something else in practice."""


def to_utf8(text: bytes, charset: str) -> bytes:
    """`text`, said to be in `charset` (empty: nothing is said), in UTF-8. What no charset explains stays as it is."""
    if text.isascii() and not _shifts(text, charset):
        return text
    for name in ("utf-8", _ALIASES.get(charset, charset), "cp1252"):
        if (codec := _codec(name)) is not None:
            try:
                return codec.decode(text, "strict")[0].encode("utf-8")
            except (UnicodeError, ValueError):
                continue
    return text


def _shifts(text: bytes, charset: str) -> bool:
    """Whether ASCII octets may mean something else in a charset."""
    return charset.startswith(("iso-2022", "utf-7", "utf-16", "utf-32", "hz"))


@functools.lru_cache(256)
def _codec(name: str) -> codecs.CodecInfo | None:
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    return found if getattr(found, "_is_text_encoding", False) else None
