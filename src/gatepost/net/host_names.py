"""What can be the name of a host, and what is its address in its place (RFC 1123 §2.1)."""

import re
import socket

from gatepost.mail.ascii_text import is_number

_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?\Z")
_DECIMAL = re.compile(r"\d{1,3}(\.\d{1,3}){3}", re.ASCII)
_OF_NUMBERS = re.compile(r"[0-9a-fx.]+", re.ASCII | re.IGNORECASE)


def valid_hostname(name: str) -> bool:
    """Whether `name` can be a host name (RFC 1123 §2.1, underscores allowed) and is no address."""
    if len(name) > 255:
        return False
    labels = name.removesuffix(".").split(".")
    if all(is_number(label) for label in labels):
        return False
    return all(len(label) < 64 and _LABEL.match(label) for label in labels)


def numeric_address(name: str) -> str | None:
    """The address that is written in place of a host name, in any form that the system's getaddrinfo(3) takes for one (leading
    zeros are octal, `0x7f.0.0.1` is hexadecimal); None for a name."""
    try:
        if ":" in name:
            return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, name))
        return socket.inet_ntoa(socket.inet_aton(name)) if _OF_NUMBERS.fullmatch(name) else None
    except (OSError, ValueError):  # ValueError: a NUL, or an octet that is not UTF-8
        return None


def is_written_address(name: str) -> bool:
    """Whether a name is an address as people write it: `192.0.2.1`, `2001:db8::1`."""
    written = ":" in name or (_DECIMAL.fullmatch(name) and all(int(part) < 256 for part in name.split(".")))
    return bool(written) and numeric_address(name) is not None
