"""Encoded words (RFC 2047) and octets of no declared charset as UTF-8, as SpamAssassin 4 has them (`normalize_charset`).

What is declared wrongly gives U+FFFD; what is not declared is UTF-8 where it can be, else Windows-1252.
"""

import binascii
import codecs
import functools
import re
from typing import Final

_WORD: Final = re.compile(rb"=\?([\w.:+-]{1,64})(?:\*[\w-]{0,64})?\?([bq])\?([^?\n]*)\?=", re.IGNORECASE)
_NO_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]+")
_REPLACED: Final = {"iso-8859-1": "cp1252", "latin1": "cp1252", "gb2312": "gb18030", "ks_c_5601-1987": "cp949", "utf8": "utf-8"}
"""Charsets that mean another one in practice."""
_WESTERN: Final = codecs.lookup("cp1252")


def decoded(value: bytes) -> bytes:
    """An unfolded value in UTF-8. White space between encoded words falls away (RFC 2047 §6.2); neighbours of one charset may share
    a character."""
    if b"=?" not in value:
        return undeclared(value)
    out: list[bytes] = []
    pending: list[bytes] = []
    charset, at = b"", 0
    for word in _WORD.finditer(value):
        between = value[at : word.start()]
        if pending and (between.strip() or word[1].lower() != charset):
            out.append(to_utf8(b"".join(pending), charset))
            pending = []
        if between and not (at and between.isspace()):
            out.append(undeclared(between))
        charset, at = word[1].lower(), word.end()
        pending.append(_octets(word[2], word[3]))
    if pending:
        out.append(to_utf8(b"".join(pending), charset))
    return b"".join((*out, undeclared(value[at:])))


def _octets(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"qQ":
        return binascii.a2b_qp(text, header=True)
    known = _NO_BASE64.sub(b"", text)
    known = known[:-1] if len(known) % 4 == 1 else known
    return binascii.a2b_base64(known + b"=" * (-len(known) % 4))


def undeclared(text: bytes) -> bytes:
    """Octets of no known charset."""
    if text.isascii():
        return text
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return _WESTERN.decode(text, "replace")[0].encode()
    return text


def to_utf8(text: bytes, charset: bytes) -> bytes:
    """Octets that are said to be in `charset`."""
    if charset.startswith(b"iso-2022-") and not text.isascii():
        return b""  # its octets have seven bits
    codec = _codec(charset)
    try:
        return codec.decode(text, "replace")[0].encode("utf-8", "replace")
    except (UnicodeError, ValueError, OverflowError):
        return undeclared(text)


@functools.lru_cache(256)
def _codec(charset: bytes) -> codecs.CodecInfo:
    """The codec of a charset; Windows-1252 for one that nobody knows."""
    name = charset.decode("ascii", "replace").lower()
    try:
        found = codecs.lookup(_REPLACED.get(name, name))
    except (LookupError, ValueError):
        return _WESTERN
    return found if getattr(found, "_is_text_encoding", False) else _WESTERN
