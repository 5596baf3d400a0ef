"""Port numbers by the name of a service: known_tcp_ports first, then the system's services file (postconf(5), services(5))."""

import socket
from collections.abc import Iterator, Mapping

from gatepost.config.values import split
from gatepost.mail.ascii_text import is_number


def known_ports(parameter: str) -> Mapping[str, int]:
    """What known_tcp_ports says: `name=port`, or `name=name=port` for several names of one port. What says no port is left out."""
    return {name: int(port) for names, port in _elements(parameter) if is_port(port) for name in names if name}


def malformed(parameter: str) -> list[str]:
    """The elements of known_tcp_ports that say no port."""
    return ["=".join((*names, port)) for names, port in _elements(parameter) if not (names and all(names) and is_port(port))]


def port_number(word: str, known: Mapping[str, int]) -> int:
    """The port that a number or a service name means. Raises ValueError."""
    if is_port(word):
        return int(word)
    try:
        return known.get(word) or socket.getservbyname(word, "tcp")
    except OSError:
        raise ValueError(f"unknown service: {word}/tcp") from None


def is_port(word: str) -> bool:
    """Whether a text is the number of a port."""
    return is_number(word) and int(word) < 65536


def _elements(parameter: str) -> Iterator[tuple[list[str], str]]:
    for element in split(parameter):
        *names, port = element.split("=")
        yield names, port
