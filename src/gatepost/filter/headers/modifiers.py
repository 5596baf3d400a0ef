"""Names of headers with what is to be made of their values: `From:addr:domain`, `X-Originating-IP:revip`, `Subject:raw:last`."""

import functools
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from gatepost.filter.headers.addresses import mailboxes
from gatepost.filter.headers.domains import Registries, host

_ADDRESS: Final = re.compile(
    rb"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{0,40}:[0-9A-Fa-f.]{0,15})(?![\w.:])"
)


class Name(Struct, frozen=True):
    """A header's name as a rule writes it. `base`: without modifiers; `steps`: what is made of the values, in order."""

    base: str
    raw: bool = False
    first: bool = False
    last: bool = False
    steps: tuple[str, ...] = ()


@functools.lru_cache(1024)
def wanted(text: str) -> Name:
    """`text` taken apart; modifiers that are none are left aside."""
    base, *words = text.split(":")
    said = frozenset(words)
    implied = {"domain": "addr" if "addr" in said else "host", "revip": "ip"}
    asked = said | {implied[word] for word in said if word in implied}
    return Name(base, "raw" in said, "first" in said, "last" in said, tuple(step for step in STEPS if step in asked))


def _addresses(values: Sequence[bytes], _: Registries) -> Iterator[bytes]:
    return (one.address for value in values for one in mailboxes(value) if one.address is not None)


def _names(values: Sequence[bytes], _: Registries) -> Iterator[bytes]:
    return (one.name for value in values for one in mailboxes(value) if one.name)


def _hosts(values: Sequence[bytes], known: Registries) -> Iterator[bytes]:
    return (found for value in values if (found := host(value, known)))


def _domains(values: Sequence[bytes], known: Registries) -> Iterator[bytes]:
    return (known.registered(value.rpartition(b"@")[2]) for value in values)


def _ips(values: Sequence[bytes], _: Registries) -> Iterator[bytes]:
    for value in values:
        found = next((one for match in _ADDRESS.finditer(value) if (one := _ip(match[0]))), None)
        if found:
            yield str(found).encode()


def _reversed(values: Sequence[bytes], _: Registries) -> Iterator[bytes]:
    for value in values:
        if found := _ip(value):
            yield found.reverse_pointer.rsplit(".", 2)[0].encode()


def _ip(text: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.decode("ascii"))
    except ValueError:
        return None


STEPS: Final[dict[str, Callable[[Sequence[bytes], Registries], Iterable[bytes]]]] = {
    "addr": _addresses,
    "name": _names,
    "host": _hosts,
    "domain": _domains,
    "ip": _ips,
    "revip": _reversed,
}
"""What modifiers make of values, in the order in which it is done."""
