"""Encoded words (RFC 2047) in headers as UTF-8."""

import binascii
import re
from typing import Final

from gatepost.filter.text.charsets import to_utf8
from gatepost.filter.text.transfer import base64

_WORD: Final = re.compile(
    rb"=\?([\w.:*+-]{1,64})\?([bq])\?([^?]*)\?=(?:[ \t\r\n]+(?==\?[\w.:*+-]{1,64}\?[bq]\?[^?]*\?=))?", re.IGNORECASE
)


def decoded_words(value: bytes) -> bytes:
    """`value` with its encoded words decoded; white space between two of them falls away (section 6.2)."""
    return _WORD.sub(_decoded, value) if b"=?" in value else value


def _decoded(word: re.Match[bytes]) -> bytes:
    charset = word[1].partition(b"*")[0].decode("ascii", "replace").lower()
    text = base64(word[3]) if word[2] in b"bB" else binascii.a2b_qp(word[3], header=True)
    return to_utf8(text, charset)
