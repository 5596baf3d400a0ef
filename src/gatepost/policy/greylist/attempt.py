"""What greylisting is asked about, and the keys under which it is remembered: the same octets as in postgrey's database."""

import hashlib
import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from msgspec import Struct

from gatepost.policy.greylist.settings import GreylistSettings

LONGEST_KEY = 400
"""Octets of a key as it is written; a longer one is hashed, so that nobody chooses how much we store."""

_EXTENSION = re.compile(rb"\+.*", re.DOTALL)
_NUMBER = re.compile(rb"\b[0-9]+\b")
_SIGNED = re.compile(rb"prvs=[^=]*=([^=]+)\Z")  # BATV: a tag of the day before the local part

Address = IPv4Address | IPv6Address


class Attempt(Struct, frozen=True):
    """One recipient that a client asks for.

    - `client_name`: verified, or `unknown`;
    - `domain`: that answers for the client (identity.py), empty for none;
    - `by_domain`: whether it stands in the place of the network.
    """

    client_address: str
    client_name: str
    sender: str
    recipient: str
    domain: str = ""
    by_domain: bool = False


class Keys(Struct, frozen=True):
    """Where an attempt is looked up.

    - `triplet`: network or domain, sender, recipient;
    - `client`: the address, or the domain, whose successes are counted;
    - `network`: the triplet by network where `triplet` is by domain: what was known before there was one.
    """

    triplet: bytes
    client: bytes
    network: bytes = b""


def client_address(text: str) -> Address | None:
    """The client's address, an IPv4 one for one that is mapped into IPv6; None where it has none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def keys(attempt: Attempt, address: Address, settings: GreylistSettings) -> Keys:
    """The keys of an attempt from `address`."""
    pair = _octets(f"/{normal_sender(attempt.sender)}/{attempt.recipient}")
    network = stored(_octets(network_of(address, settings)) + pair, settings)
    if not attempt.by_domain:
        return Keys(network, stored(client_key(address), settings))
    domain = _octets(f"@{attempt.domain}")
    return Keys(stored(domain + pair, settings), stored(domain, settings), network)


def client_key(address: Address) -> bytes:
    """Under which the successes of an address are counted."""
    return _octets(_written(address, int(address)))


def stored(key: bytes, settings: GreylistSettings) -> bytes:
    """A key as it is stored: with greylist_privacy as postgrey's --privacy has it, so that its entries can be imported."""
    if settings.greylist_privacy or len(key) > LONGEST_KEY:
        return hashlib.sha1(key, usedforsecurity=False).hexdigest().encode()
    return key


def normal_sender(sender: str) -> str:
    """The sender without what mailing lists change from message to message: extensions, numbers, BATV's tag."""
    local, at, domain = sender.partition("@")
    if not at:
        return sender
    octets = _SIGNED.sub(rb"\1", local.encode("utf-8", "surrogateescape"))
    octets = _EXTENSION.sub(b"", octets)
    return f"{_NUMBER.sub(b'#', octets).decode('utf-8', 'surrogateescape')}@{domain}"


def network_of(address: Address, settings: GreylistSettings) -> str:
    """The network of an address, or with greylist_lookup_by_host the address, as postgrey writes them."""
    bits = address.max_prefixlen
    if settings.greylist_lookup_by_host:
        return f"{_written(address, int(address))}/{bits}"
    kept = settings.greylist_ipv4cidr if address.version == 4 else settings.greylist_ipv6cidr
    return _written(address, int(address) >> (bits - kept) << (bits - kept))


def _written(address: Address, number: int) -> str:
    if address.version == 4:
        return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return ":".join(f"{number >> shift & 0xFFFF:x}" for shift in range(112, -1, -16))


def _octets(text: str) -> bytes:
    """In lower case, which is that of ASCII for octets."""
    return text.encode("utf-8", "surrogateescape").lower()
