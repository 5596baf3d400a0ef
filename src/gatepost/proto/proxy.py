"""The PROXY protocol, versions 1 and 2, as a receiver (haproxy.org, proxy-protocol.txt)."""

import ipaddress
from typing import Final

from msgspec import Struct

from gatepost.mail.ascii_text import is_number

_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_V1_LONGEST: Final = 107
_V2_HEAD: Final = 16
_V2_LONGEST: Final = 4096
_ADDRESS_OCTETS: Final = {0x11: 4, 0x21: 16}


class ProxyError(Exception):
    """What came is no PROXY header."""


class Proxied(Struct, frozen=True):
    """The real ends of the connection, as text."""

    client_address: str
    client_port: str
    server_address: str
    server_port: str


class ProxyReader:
    """Reads one header. `proxied` is None where the proxy speaks for itself (`UNKNOWN`, `LOCAL`)."""

    __slots__ = ("_seen", "done", "proxied")

    def __init__(self) -> None:
        self._seen = b""
        self.done = False
        self.proxied: Proxied | None = None

    def feed(self, data: bytes) -> bytes:
        """Take octets; returns those after the header once `done`. Raises ProxyError."""
        self._seen += data
        seen = self._seen
        if seen.startswith(_SIGNATURE[: len(seen)]):
            end = self._version_2(seen) if len(seen) >= _V2_HEAD else 0
        elif seen.startswith(b"PROXY "[: len(seen)]):
            end = self._version_1(seen)
        else:
            raise ProxyError("unexpected protocol header")
        if not end:
            return b""
        self.done = True
        return seen[end:]

    def _version_1(self, seen: bytes) -> int:
        """The length of the header line, 0 where it is not complete."""
        end = seen.find(b"\r\n", 0, _V1_LONGEST)
        if end < 0:
            if len(seen) >= _V1_LONGEST:
                raise ProxyError("protocol header too long")
            return 0
        match seen[:end].decode("ascii", "replace").split(" "):
            case ["PROXY", "UNKNOWN", *_]:
                pass
            case ["PROXY", "TCP4" | "TCP6" as family, source, destination, source_port, destination_port]:
                addresses = [_address(text, 4 if family == "TCP4" else 6) for text in (source, destination)]
                ports = [_port(text) for text in (source_port, destination_port)]
                self.proxied = Proxied(addresses[0], ports[0], addresses[1], ports[1])
            case _:
                raise ProxyError("malformed protocol header")
        return end + 2

    def _version_2(self, seen: bytes) -> int:
        version, command = seen[12] >> 4, seen[12] & 15
        length = int.from_bytes(seen[14:16], "big")
        if version != 2 or command > 1 or length > _V2_LONGEST:
            raise ProxyError("unsupported protocol version or command")
        end = _V2_HEAD + length
        if len(seen) < end:
            return 0
        if command == 1:
            size = _ADDRESS_OCTETS.get(seen[13])
            if size is None or length < 2 * size + 4:
                raise ProxyError("unsupported address family or transport")
            self.proxied = _ends(seen[_V2_HEAD:end], size)
        return end


def _ends(block: bytes, size: int) -> Proxied:
    """The address block of version 2."""
    source, destination = (_written(ipaddress.ip_address(block[i : i + size])) for i in (0, size))
    ports = [str(int.from_bytes(block[i : i + 2], "big")) for i in (2 * size, 2 * size + 2)]
    return Proxied(source, ports[0], destination, ports[1])


def _address(text: str, version: int) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ProxyError("malformed address") from None
    if address.version != version:
        raise ProxyError("malformed address")
    return _written(address)


def _written(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """The address as text; that of an IPv4 client which the proxy took in by IPv6 (RFC 4291 §2.5.5.2) is its own."""
    return str(getattr(address, "ipv4_mapped", None) or address)


def _port(text: str) -> str:
    if not (is_number(text) and int(text) < 65536):
        raise ProxyError("malformed port")
    return text
