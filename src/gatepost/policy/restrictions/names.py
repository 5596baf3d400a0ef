"""Is this text a host name, a fully-qualified one, an address literal? (RFC 5321 §4.1.2, §4.1.3; RFC 1123 §2.1)"""

import ipaddress
import re

from gatepost.mail.domain import to_ascii

# As Postfix has it: letters, digits and underscores, hyphens inside, no empty label, not digits alone.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOSTNAME = re.compile(rf"(?=.{{1,255}}\Z)(?=.*[^0-9.])(?:{_LABEL})(?:\.{_LABEL})*\Z")


def is_hostname(name: str) -> bool:
    """A syntactically valid host name; labels that are not ASCII count in their A-label form (RFC 5891)."""
    if not name.isascii():
        try:
            name = to_ascii(name)
        except UnicodeError:
            return False
    return _HOSTNAME.match(name) is not None


def is_address(text: str) -> bool:
    """An IP address without brackets."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def literal_address(text: str) -> str:
    """The IP address of an address literal such as `[192.0.2.1]` or `[IPv6:2001:db8::1]`; empty if it is none."""
    if not (text.startswith("[") and text.endswith("]")):
        return ""
    inside = text[1:-1]
    address = inside[5:] if inside[:5].lower() == "ipv6:" else inside
    return address if is_address(address) and (":" in address) == (address is not inside) else ""


def without_final_dot(name: str) -> str:
    """`name` less one final dot, unless two stand there."""
    return name[:-1] if name.endswith(".") and not name.endswith("..") else name


def is_qualified(name: str) -> bool:
    """A fully-qualified host name, with or without a final dot."""
    name = without_final_dot(name)
    return "." in name and is_hostname(name)
