"""Domains as reports know them, and what strangers wrote, bounded and in characters that can be printed."""

import functools
import re

from gatepost.mail.domain import to_ascii

_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_-]{1,63}\.)*(?=[a-z0-9_-]*[a-z])[a-z0-9_-]{1,63}\Z")
"""The last label is no number, so that no IP address is one."""


@functools.lru_cache(maxsize=4096)
def domain(text: str) -> str | None:
    """A domain in A-labels and lower case, without the final dot; None for what is none, as an IP address."""
    try:
        name = to_ascii(text.lower().removesuffix("."))
    except UnicodeError:
        return None
    return name if _DOMAIN.match(name) else None


def bounded(text: str, most: int) -> str:
    """At most so many characters, all of ASCII and printable; others are escaped."""
    octets = text[:most].encode("ascii", "backslashreplace")
    return "".join(chr(octet) if 0x20 <= octet < 0x7F else f"\\x{octet:02x}" for octet in octets)[:most]
