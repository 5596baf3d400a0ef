"""Where a server is, as configurations write it, and the addresses that this means: `unix:PATH`, `inet:HOST:PORT`."""

from collections.abc import Mapping

from msgspec import Struct

from gatepost.config.ports import port_number
from gatepost.net.connect import Endpoint
from gatepost.net.host_names import numeric_address
from gatepost.net.port import DnsFailure, NotFound, Resolver
from gatepost.net.stream_port import StreamFailure, Trouble

LOOPBACK = ("127.0.0.1", "::1")
"""Where a port without a host is."""


class Server(Struct, frozen=True):
    """`name`: as it is written, without the type, for logs; `host`: a name or an address, empty for this machine; `port`; or the
    `path` of a UNIX-domain socket."""

    name: str
    host: str = ""
    port: int = 0
    path: str = ""


def parse(text: str, directory: str, ports: Mapping[str, int]) -> Server:
    """`inet:HOST:PORT`, `inet:[V6]:PORT`, `inet:PORT`, `unix:PATH` or `local:PATH`. `directory`: where a relative path begins;
    `ports`: known_tcp_ports. Raises ValueError."""
    kind, _, where = text.partition(":")
    if kind == "inet":
        host, _, port = where.rpartition(":")
        return Server(where, host.removeprefix("[").removesuffix("]"), port_number(port, ports))
    if kind in ("unix", "local") and where:
        return Server(where, path=where if where.startswith("/") else f"{directory}/{where}")
    raise ValueError(text)


async def endpoints(server: Server, resolver: Resolver) -> tuple[Endpoint, ...]:
    """What to connect to, in the order in which to try. Raises StreamFailure where a name has no address."""
    if server.path:
        return (Endpoint(path=server.path),)
    if address := numeric_address(server.host):
        return (Endpoint(address, server.port),)
    try:
        addresses = await resolver.host(server.host) if server.host else LOOPBACK
    except DnsFailure as failure:
        words = "Name or service not known" if isinstance(failure, NotFound) else "Temporary failure in name resolution"
        raise StreamFailure(Trouble.CONNECT, f"{server.host}: {words}") from None
    return tuple(Endpoint(address, server.port) for address in addresses)
