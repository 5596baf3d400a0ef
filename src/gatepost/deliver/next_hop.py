"""Next-hop destinations of the SMTP and LMTP clients, as written (smtp(8), lmtp(8), transport(5)): `host`, `[host]:port`,
`inet:host:port`, `unix:/path`, several of them separated by comma or blanks."""

import ipaddress
import re
import socket

from msgspec import Struct

WELL_KNOWN = {"smtp": 25, "lmtp": 24, "submission": 587, "submissions": 465, "smtps": 465}
"""Ports by service name that need no services file."""


class BadDestination(Exception):
    """A destination that says nothing usable. The text is fit for a bounce."""


class Destination(Struct, frozen=True):
    """`host`: a name or an IP address; `port`; `exchangers`: look up its MX records; `path`: of a UNIX-domain socket, where
    there is no host. `text`: as it was written."""

    text: str
    host: str = ""
    port: int = 0
    exchangers: bool = False
    path: str = ""

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


def port_number(word: str) -> int:
    """The port that `word`, a number or a service name, says. Raises ValueError."""
    if word.isascii() and word.isdigit():
        return int(word)
    try:
        return WELL_KNOWN.get(word) or socket.getservbyname(word, "tcp")
    except OSError:
        raise ValueError(f"unknown service: {word}/tcp") from None


def parse(text: str, default_port: str, *, exchangers: bool) -> Destination:
    """One destination. `exchangers`: whether a host without brackets means a mail domain. Raises BadDestination."""
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
        number = port_number(port or default_port)
    except ValueError as error:
        raise BadDestination(f"{error} in server description: {text}") from None
    if host[:5].lower() == "ipv6:":
        host = host[5:]
    return Destination(text, host, number, exchangers=exchangers and not bracketed and not is_address(host))


def parse_all(nexthop: str, default_port: str, *, exchangers: bool) -> list[Destination]:
    """All destinations of a next hop, in the order in which they are tried. Raises BadDestination."""
    words = [nexthop] if nexthop.startswith("unix:") else [word for word in re.split(r"[,\s]+", nexthop) if word]
    if not words:
        raise BadDestination(f'null destination: "{nexthop}"')
    return [parse(word, default_port, exchangers=exchangers) for word in words]
