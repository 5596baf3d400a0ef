"""Defaults that are found out when the configuration is read: host and domain name, own networks, process id (postconf(5))."""

import os
import socket
from collections.abc import Callable, Mapping

from msgspec import Struct

from gatepost.config.interfaces import Interface, own_interfaces
from gatepost.config.values import split

Ask = Callable[[str], str]
"""The expanded value of a parameter."""

_CLASS_BITS = ((128, 8), (192, 16), (224, 24))
"""First octet below which an IPv4 address belongs to a class network of so many bits (RFC 791 §3.2)."""


class Host(Struct, frozen=True):
    """What is asked of the machine, and the name of the program that asks."""

    hostname: Callable[[], str] = socket.gethostname
    interfaces: Callable[[], tuple[Interface, ...]] = own_interfaces
    process_name: str = "gatepost"


def myhostname(ask: Ask, host: Host) -> str:
    """The host name; a name without domain gets `mydomain` where that is set, else `localdomain`."""
    name = host.hostname()
    return name if "." in name else f"{name}.{ask('mydomain')}"


def mydomain(ask: Ask, host: Host) -> str:
    """`myhostname` without its first label."""
    name = ask("myhostname")
    _, dot, domain = name.partition(".")
    return domain if dot else "localdomain"


def mynetworks(ask: Ask, host: Host) -> str:
    """The networks that `mynetworks_style` names, of the addresses that `inet_interfaces` and `inet_protocols` leave."""
    network = _STYLES.get(ask("mynetworks_style"), _host)
    wanted = _wanted(split(ask("inet_interfaces")), split(ask("inet_protocols")))
    found = (network(interface) for interface in host.interfaces() if wanted(interface))
    return " ".join(dict.fromkeys(found))


def _wanted(interfaces: list[str], protocols: list[str]) -> Callable[[Interface], bool]:
    versions = {4, 6} if "all" in protocols else {int(name[-1]) for name in protocols if name in ("ipv4", "ipv6")}
    if interfaces == ["all"]:
        return lambda one: one.version in versions
    named = {name.strip("[]") for name in interfaces}
    loopback = bool(named & {"loopback-only", "localhost"})
    return lambda one: one.version in versions and (str(one.ip) in named or (loopback and one.ip.is_loopback))


def _subnet(interface: Interface) -> str:
    return _written(str(interface.network.network_address), interface.network.prefixlen)


def _host(interface: Interface) -> str:
    return _written(str(interface.ip), interface.max_prefixlen)


def _class(interface: Interface) -> str:
    if interface.version == 6:
        return _subnet(interface)
    first = interface.ip.packed[0]
    bits = next((bits for limit, bits in _CLASS_BITS if first < limit), 32)
    kept = int(interface.ip) >> (32 - bits) << (32 - bits)
    return _written(socket.inet_ntoa(kept.to_bytes(4, "big")), bits)


def _written(address: str, bits: int) -> str:
    return f"[{address}]/{bits}" if ":" in address else f"{address}/{bits}"


_STYLES: Mapping[str, Callable[[Interface], str]] = {"subnet": _subnet, "host": _host, "class": _class}

COMPUTED: Mapping[str, Callable[[Ask, Host], str]] = {
    "myhostname": myhostname,
    "mydomain": mydomain,
    "mynetworks": mynetworks,
    "process_id": lambda ask, host: str(os.getpid()),
    "process_name": lambda ask, host: host.process_name,
}
"""How each such default is found."""
