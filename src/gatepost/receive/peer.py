"""Who the client is: its name, verified by looking it up both ways (smtpd(8), `smtpd_peername_lookup`)."""

import ipaddress

from msgspec import Struct

from gatepost.net.host_names import valid_hostname as valid_hostname
from gatepost.net.port import DnsFailure, NotFound, Resolver

UNKNOWN = "unknown"
_OK, _LATER, _NEVER = 2, 4, 5


class Peer(Struct, frozen=True):
    """`name`: verified, or `unknown`; `reverse_name`: as the reverse look-up gave it. Codes as in `policy.port.Facts`.
    `warning`: what to log of a name that did not lead back."""

    name: str = UNKNOWN
    name_code: int = _NEVER
    reverse_name: str = UNKNOWN
    reverse_code: int = _NEVER
    warning: str = ""


def plain_address(address: str) -> str:
    """An IPv4 address for an IPv4-mapped IPv6 one, and no zone."""
    address = address.partition("%")[0]
    return address.removeprefix("::ffff:") if address.startswith("::ffff:") and "." in address else address


def network_of(address: str, length4: int, length6: int) -> str:
    """The network of so many bits that an address lies in, or the address, where it has as many; `net/bits`."""
    if ":" not in address and length4 == 32:  # as nearly always
        return address
    try:
        bits = length6 if ":" in address else length4
        network = ipaddress.ip_network((address, bits), strict=False)
    except ValueError:
        return address
    return address if network.num_addresses == 1 else str(network)


async def identify(resolver: Resolver, address: str) -> Peer:
    """The peer at `address`, after two questions at most, one after the other, each within the resolver's time limit. Never
    raises for what the DNS does; a time-out counts as "not known for now"."""
    try:
        name = (await resolver.ptr(address))[0]
    except NotFound:
        return Peer()
    except DnsFailure:
        return Peer(name_code=_LATER, reverse_code=_LATER)
    if not valid_hostname(name):
        return Peer()
    warning = f"hostname {name} does not resolve to address {address}"
    try:
        addresses = await resolver.host(name)
    except NotFound:
        return Peer(UNKNOWN, _NEVER, name, _OK, f"{warning}: Name or service not known")
    except DnsFailure:
        return Peer(UNKNOWN, _LATER, name, _OK, f"{warning}: Temporary failure in name resolution")
    if address in addresses:
        return Peer(name, _OK, name, _OK)
    return Peer(UNKNOWN, _NEVER, name, _OK, warning)


def valid_literal(text: str) -> bool:
    """Whether `text` is an address literal `[...]` (RFC 5321 §4.1.3)."""
    if not (text.startswith("[") and text.endswith("]")):
        return False
    return valid_address(text[1:-1])


def valid_address(text: str) -> bool:
    """Whether `text` is an IPv4 address, or an IPv6 address after `IPv6:` or plain."""
    try:
        ipaddress.ip_address(text[5:] if text[:5].lower() == "ipv6:" else text)
    except ValueError:
        return False
    return True
