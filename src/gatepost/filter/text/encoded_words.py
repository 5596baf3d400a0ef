"""Encoded words (RFC 2047) in what parts are called, as UTF-8.

What `header` rules see is decoded elsewhere (headers/encoded_words.py), as SpamAssassin does it: there a word that is wrongly
encoded may come to nothing, and a name must not."""

import binascii
import re
from collections.abc import Callable
from typing import Final

from gatepost.filter.text.charsets import to_utf8
from gatepost.filter.text.transfer import base64

_WORD: Final = re.compile(
    rb"=\?([\w.:*+-]{1,64})\?([bq])\?([^?]*)\?=(?:[ \t\r\n]+(?==\?[\w.:*+-]{1,64}\?[bq]\?[^?]*\?=))?", re.IGNORECASE
)


Reading = Callable[[bytes, str], bytes]
"""What octets mean that are said to be in a charset (lower case)."""


def decoded_words(value: bytes, reading: Reading = to_utf8) -> bytes:
    """`value` with its encoded words decoded; white space between two of them falls away (section 6.2)."""
    return _WORD.sub(lambda word: reading(_octets(word), _charset(word)), value) if b"=?" in value else value


def _octets(word: re.Match[bytes]) -> bytes:
    return base64(word[3]) if word[2] in b"bB" else binascii.a2b_qp(word[3], header=True)


def _charset(word: re.Match[bytes]) -> str:
    return word[1].partition(b"*")[0].decode("ascii", "replace").lower()
