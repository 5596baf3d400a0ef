"""Next-hop destinations of the SMTP and LMTP clients, as written (smtp(8), lmtp(8), transport(5)): `host`, `[host]:port`,
`inet:host:port`, `unix:/path`, several of them separated by comma or blanks."""

import ipaddress
import re
from collections.abc import Collection, Mapping

from msgspec import Struct

from gatepost.config.ports import port_number


class BadDestination(Exception):
    """A destination that says nothing usable. The text is fit for a bounce."""


class Destination(Struct, frozen=True):
    """`host`: a name or an IP address; `port`; `exchangers`: look up its MX records; `path`: of a UNIX-domain socket, where
    there is no host. `text`: as it was written. `service`: look up its SRV records."""

    text: str
    host: str = ""
    port: int = 0
    exchangers: bool = False
    path: str = ""
    service: str = ""

    @property
    def literal(self) -> bool:
        """Whether `host` is an IP address."""
        return is_address(self.host)


def is_address(host: str) -> bool:
    """Whether `host` is a numeric IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def parse(
    text: str, default_port: str, ports: Mapping[str, int], *, exchangers: bool, services: Collection[str] = ()
) -> Destination:
    """One destination. `ports`: known_tcp_ports; `exchangers`: whether a host without brackets means a mail domain; `services`:
    use_srv_lookup. Raises BadDestination."""
    if text.startswith("unix:"):
        return Destination(text, path=text[5:])
    rest = text.removeprefix("inet:")
    bracketed = rest.startswith("[")
    if bracketed:
        host, closed, port = rest[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            raise BadDestination(f"malformed destination: {text}")
        port = port[1:]
    elif rest.count(":") > 1:
        host, port = rest, ""
    else:
        host, _, port = rest.partition(":")
    if not host:
        raise BadDestination(f'null destination: "{text}"')
    try:
        number = port_number(port or default_port, ports)
    except ValueError as error:
        raise BadDestination(f"{error} in server description: {text}") from None
    if host[:5].lower() == "ipv6:":
        host = host[5:]
    domain = exchangers and not bracketed and not is_address(host)
    service = port or default_port
    return Destination(text, host, number, exchangers=domain, service=service if domain and service in services else "")


def parse_all(
    nexthop: str, default_port: str, ports: Mapping[str, int], *, exchangers: bool, services: Collection[str] = ()
) -> list[Destination]:
    """All destinations of a next hop, in the order in which they are tried. Raises BadDestination."""
    words = [nexthop] if nexthop.startswith("unix:") else [word for word in re.split(r"(?a)[,\s]+", nexthop) if word]
    if not words:
        raise BadDestination(f'null destination: "{nexthop}"')
    return [parse(word, default_port, ports, exchangers=exchangers, services=services) for word in words]
