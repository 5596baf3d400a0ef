"""SASLprep: one form of names and passwords that look alike (RFC 4013, a profile of stringprep, RFC 3454)."""

import stringprep
import unicodedata
from collections.abc import Callable
from typing import Final

_PROHIBITED: Final[tuple[Callable[[str], bool], ...]] = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str) -> str:
    """The form that is compared. Raises ValueError for a text that has none."""
    if text.isascii() and text.isprintable():
        return text
    mapped = "".join(" " if stringprep.in_table_c12(c) else c for c in text if not stringprep.in_table_b1(c))
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if any(prohibited(c) for c in prepared for prohibited in _PROHIBITED) or not _one_direction(prepared):
        raise ValueError("text that SASLprep prohibits")
    return prepared


def prepared_password(octets: bytes) -> bytes:
    """A password in that form; as it is where it has none, or is no UTF-8: it is nobody else's business what people choose."""
    try:
        return saslprep(octets.decode()).encode()
    except ValueError:  # UnicodeDecodeError among them
        return octets


def _one_direction(text: str) -> bool:
    """Whether text from right to left is so from end to end (RFC 3454 §6)."""
    if not any(map(stringprep.in_table_d1, text)):
        return True
    ends_so = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends_so and not any(map(stringprep.in_table_d2, text))
