"""What others sent, and when, as a terminal may have it."""

import contextlib
from datetime import UTC, datetime


def shown(text: str | bytes) -> str:
    """A text, or octets that may be one, with escapes for whatever is not printable."""
    octets = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return "".join(map(_escaped, octets.decode("utf-8", "backslashreplace")))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def date(seconds: int) -> str:
    """Seconds since 1970 as a time in UTC; the number itself where that is none."""
    with contextlib.suppress(OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return str(seconds)
