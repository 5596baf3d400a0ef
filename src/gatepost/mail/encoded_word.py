"""Encoded words (RFC 2047): text that is not ASCII in a header."""

import base64
from collections.abc import Iterator

_LIMIT = 75
"""Characters of one encoded word (§2)."""
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
"""Octets that stand for themselves in a phrase (§5, 3)."""


def encoded_words(text: str, charset: str) -> str:
    """`text` in encoded words that say `charset`, in the shorter of both encodings. No character is cut in two (§5)."""
    octets = text.encode("utf-8", "surrogateescape")
    letter = "q" if len(_q(octets)) <= len(_b(octets)) else "b"
    encode = _q if letter == "q" else _b
    head = f"=?{charset}?{letter}?"
    return " ".join(f"{head}{encode(piece)}?=" for piece in _pieces(text, _LIMIT - len(head) - 2, letter))


def _pieces(text: str, room: int, letter: str) -> Iterator[bytes]:
    """Octets of as many characters as there is room for, in each encoded word."""
    piece, size = b"", 0
    for character in text:
        octets = character.encode("utf-8", "surrogateescape")
        length = size + len(_q(octets)) if letter == "q" else -(-(len(piece) + len(octets)) // 3) * 4
        if piece and length > room:
            yield piece
            piece, length = b"", len(_q(octets))
        piece, size = piece + octets, length
    if piece:
        yield piece


def _q(octets: bytes) -> str:
    return "".join("_" if octet == 32 else chr(octet) if octet in _PLAIN else f"={octet:02X}" for octet in octets)


def _b(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
