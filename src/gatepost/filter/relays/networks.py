"""Lists of networks as SpamAssassin's settings write them (perldoc Mail::SpamAssassin::Conf, trusted_networks)."""

import functools
import ipaddress
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LOOPBACK: Final = "127.0.0.0/8 [::1]"
_PRIVATE: Final = "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 100.64.0.0/10 fe80::/10"
_CACHE: Final = 4096


class Networks(Struct, frozen=True):
    """Networks in order, each with whether its hosts are in the list (False: `!network`). `unread`: words that are none."""

    entries: tuple[tuple[_Network, bool], ...] = ()
    unread: tuple[str, ...] = ()

    def __contains__(self, address: _Address | None) -> bool:
        """Whether the first entry that holds `address` lets it in."""
        if address is None:
            return False
        return next((inside for network, inside in self.entries if address in network), False)


@functools.lru_cache(16)
def networks(values: tuple[str, ...]) -> Networks:
    """The list that the lines of a setting make, with the loopback addresses, which are always in it."""
    entries: list[tuple[_Network, bool]] = []
    unread: list[str] = []
    for word in " ".join(values).split():
        found = list(_networks(word.removeprefix("!")))
        entries += [(network, not word.startswith("!")) for network in found]
        if not found:
            unread.append(word)
    loopback = [(network, True) for word in _LOOPBACK.split() for network in _networks(word)]
    return Networks((*entries, *loopback), tuple(unread))


def _networks(word: str) -> Iterator[_Network]:
    """What a word stands for: an address, a network with a mask, the first octets of one, or a range; nothing if it is none."""
    base, slash, mask = word.replace("[", "").replace("]", "").partition("/")
    base = base.partition("%")[0]
    first, dash, last = base.partition("-")
    try:
        if dash:
            yield from ipaddress.summarize_address_range(*_both(first, last))
        elif ":" not in base and base.count(".") < 4 and (base.endswith(".") or (slash and base.count(".") < 3)):
            octets = [octet for octet in base.split(".") if octet]
            whole = ".".join([*octets, *["0"] * (4 - len(octets))])
            yield ipaddress.ip_network(f"{whole}/{mask or 8 * len(octets)}", strict=False)
        else:
            yield ipaddress.ip_network(f"{base}{slash}{mask}", strict=False)
    except (ValueError, TypeError):
        return


def _both(first: str, last: str) -> tuple[ipaddress.IPv4Address, ipaddress.IPv4Address]:
    return ipaddress.IPv4Address(first), ipaddress.IPv4Address(last)


@functools.lru_cache(_CACHE)
def address(text: str) -> _Address | None:
    """The address that `text` writes; None where it is none."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


@functools.lru_cache(_CACHE)
def is_private(text: str) -> bool:
    """Whether `text` is an address of a host or network of one's own: loopback, link-local, RFC 1918, RFC 6598."""
    return address(text) in _private()


@functools.cache
def _private() -> Networks:
    return networks((_PRIVATE,))
