"""Transfer encodings undone, tolerantly as SpamAssassin does (RFC 2045 section 6.7 and 6.8): whatever comes, the rest is used."""

import binascii
import re
from typing import Final

_OTHERS: Final = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
_TRAILING: Final = re.compile(rb"(?<![ \t])[ \t]++(?=\n)")
_CODE: Final = re.compile(rb"=([0-9A-Fa-f]{2})")


def decoded(raw: bytes, encoding: str) -> bytes:
    """The content of a body that says to have `encoding` (lower case); one that is not known changes nothing."""
    if encoding == "base64":
        return base64(raw)
    return quoted_printable(raw) if encoding == "quoted-printable" else raw


def base64(text: bytes) -> bytes:
    """What `text` encodes. Octets outside the alphabet are passed over; what follows padding is decoded too, as some do."""
    return b"".join([_quanta(piece) for piece in text.translate(None, _OTHERS).split(b"=") if piece])


def _quanta(text: bytes) -> bytes:
    """Base64 without padding; a single character at the end says nothing."""
    return binascii.a2b_base64(text[: len(text) - (len(text) % 4 == 1)] + b"==")


def quoted_printable(text: bytes) -> bytes:
    """What `text` encodes, lines ended by LF. What is no code stands for itself; blanks before a line end fall away."""
    text = _TRAILING.sub(b"", text).replace(b"=\n", b"")
    if b"==" in text or b"=\r" in text or text.endswith(b"="):
        text = _CODE.sub(lambda code: bytes.fromhex(code[1].decode("ascii")), text)
    else:
        text = binascii.a2b_qp(text)
    return text.replace(b"\r\n", b"\n")
