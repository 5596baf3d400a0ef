"""The network interface addresses of this host, with their networks (getifaddrs(3))."""

import functools
import ipaddress

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


@functools.cache
def own_interfaces() -> tuple[Interface, ...]:
    """Address and network of every interface, IPv4 first; empty where the system does not tell."""
    import ifaddr  # for the few commands and processes that ask

    try:
        addresses = [address for adapter in ifaddr.get_adapters() for address in adapter.ips]
    except OSError:
        return ()
    found = dict.fromkeys(_interface(address.ip, address.network_prefix) for address in addresses)
    return tuple(sorted(found, key=lambda one: one.version))


def _interface(ip: str | tuple[str, int, int], bits: int) -> Interface:
    """An IPv6 address comes with its flow and its scope, which belong to no network."""
    if isinstance(ip, str):
        return ipaddress.IPv4Interface((ip, bits))
    return ipaddress.IPv6Interface((ip[0].partition("%")[0], bits))
