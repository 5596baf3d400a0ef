"""The network interface addresses of this host, with their networks (getifaddrs(3))."""

import functools
import ipaddress

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


@functools.cache
def own_interfaces() -> tuple[Interface, ...]:
    """Address and network of every interface, IPv4 first; empty where the system does not tell."""
    import ctypes

    class Entry(ctypes.Structure):
        pass

    Entry._fields_ = [
        ("next", ctypes.POINTER(Entry)),
        ("name", ctypes.c_char_p),
        ("flags", ctypes.c_uint),
        ("address", ctypes.c_void_p),
        ("netmask", ctypes.c_void_p),
        ("broadcast", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
    ]
    libc = ctypes.CDLL(None)  # this process has it; looking for its file would run ldconfig
    head = ctypes.POINTER(Entry)()
    if libc.getifaddrs(ctypes.byref(head)):
        return ()
    try:
        found: list[Interface] = []
        entry = head
        while entry:
            interface = _interface(entry.contents.address, entry.contents.netmask)
            if interface is not None:
                found.append(interface)
            entry = entry.contents.next
    finally:
        libc.freeifaddrs(head)
    return tuple(sorted(dict.fromkeys(found), key=lambda one: one.version))


def _interface(address: int | None, netmask: int | None) -> Interface | None:
    """Read a pair of `struct sockaddr` in memory; None for families other than IP."""
    import ctypes
    import socket

    if not address or not netmask:
        return None
    family = ctypes.c_ushort.from_address(address).value
    if family == socket.AF_INET:
        own, mask = (ctypes.string_at(place + 4, 4) for place in (address, netmask))
        return ipaddress.IPv4Interface((own, _bits(mask)))
    if family == socket.AF_INET6:
        own, mask = (ctypes.string_at(place + 8, 16) for place in (address, netmask))
        return ipaddress.IPv6Interface((own, _bits(mask)))
    return None


def _bits(mask: bytes) -> int:
    return int.from_bytes(mask, "big").bit_count()
