"""Names and addresses that may be asked for."""

import ipaddress
import re
from typing import Final

from gatepost.filter.relays.networks import is_private
from gatepost.mail.domain import to_ascii

LONGEST: Final = 253
_NAME: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


def question_name(name: str) -> str | None:
    """A name as it is asked for: ASCII, lower case, without the final dot; None for one that cannot be asked for."""
    name = name.lower().rstrip(".")
    if not name.isascii():
        try:
            name = to_ascii(name)
        except UnicodeError:
            return None
    return name if len(name) <= LONGEST and _NAME.fullmatch(name) else None


def is_address(host: str) -> bool:
    """Whether a host is given by its address."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def reversed_address(address: str) -> str | None:
    """An address as lists have it (RFC 5782 §2.1, §2.4); None for text that is none."""
    try:
        pointer = ipaddress.ip_address(address.strip("[]")).reverse_pointer
    except ValueError:
        return None
    return pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")


def public(address: str) -> bool:
    """Whether it is an address that the world may know: not one of somebody's own network."""
    return is_address(address) and not is_private(address)
