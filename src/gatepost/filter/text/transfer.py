"""Transfer encodings undone, tolerantly as SpamAssassin does (RFC 2045 section 6.7 and 6.8): whatever comes, the rest is used."""

import binascii
from typing import Final

_OTHERS: Final = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))


def decoded(raw: bytes, encoding: str) -> bytes:
    """The content of a body that says to have `encoding` (lower case); one that is not known changes nothing."""
    if encoding == "base64":
        return base64(raw)
    return quoted_printable(raw) if encoding == "quoted-printable" else raw


def base64(text: bytes) -> bytes:
    """What `text` encodes. Octets outside the alphabet are passed over; the padding ends it."""
    text = text.translate(None, _OTHERS).partition(b"=")[0]
    return binascii.a2b_base64(text[: len(text) - (len(text) % 4 == 1)] + b"==")


def quoted_printable(text: bytes) -> bytes:
    """What `text` encodes. What is no code stands for itself; blanks before a line end fall away."""
    return binascii.a2b_qp(text)
