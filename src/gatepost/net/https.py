"""Small requests over HTTPS: one connection for each, no redirects, no cookies, no proxies.

    response = await fetch(Request("https://mta-sts.example.com/.well-known/mta-sts.txt"), network, seconds=60, most_octets=65536)

Whatever the server does, there is a Response within `seconds`, or FetchFailure. A status is the caller's to judge: 301 and 500 are
Responses.
"""

import asyncio
import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec.structs import replace

from gatepost.net import url as urls
from gatepost.net.connect import Connector, Endpoint
from gatepost.net.server_address import Server
from gatepost.net.stream_client import Handshake, Network, StreamClient
from gatepost.net.stream_port import AnswerLimit, BreakerRules, StreamFailure, StreamRules, TimeLimits, Trouble
from gatepost.proto.http import HEAD_OCTETS, HttpExchange, Request, Response

if TYPE_CHECKING:
    import ssl

P = TypeVar("P", bound=asyncio.Protocol)


class FetchFailure(Exception):
    """There is no response. The text is for people: which server, and what is wrong; nothing of header fields, bodies and queries.
    `trouble`: of which kind; TLS: the handshake failed, its certificate among the reasons."""

    def __init__(self, text: str, trouble: Trouble) -> None:
        super().__init__(text)
        self.trouble = trouble


async def fetch(
    request: Request,
    network: Network,
    *,
    seconds: float,
    most_octets: int,
    context: "ssl.SSLContext | None" = None,
    public_only: bool = False,
    in_clear: bool = False,
) -> Response:
    """The response to a request. Raises FetchFailure.

    - `seconds`: for everything, names and handshakes included;
    - `most_octets`: of the body;
    - `context`: of TLS; None: one that believes the system's authorities, made for this request (`trusting` makes one to keep);
    - `public_only`: for URLs that strangers have written: no address of this machine or of a private network is connected to;
    - `in_clear`: whether `http:` will do.
    """
    try:
        url = urls.parse(request.url)
        exchange = HttpExchange(request, url.authority, url.target, most_octets)
    except ValueError as wrong:
        raise FetchFailure(str(wrong), Trouble.GARBAGE) from None
    if url.scheme == "http" and not in_clear:
        raise FetchFailure(f"{url.origin}: https is needed", Trouble.GARBAGE)
    handshake = Handshake(context or trusting(), url.host) if url.scheme == "https" else Handshake()
    if public_only:
        network = replace(network, connector=_ToPublic(network.connector))
    rules = StreamRules(
        limits=TimeLimits.all_of(seconds),
        answer=AnswerLimit(HEAD_OCTETS + 2 * most_octets),  # what chunks cost
        breaker=BreakerRules(0),
    )
    client = StreamClient(Server(url.authority, url.host, url.port), rules, network, lambda news: None, url.origin, handshake)
    try:
        async with asyncio.timeout(seconds):
            return await client.ask(lambda: exchange)
    except StreamFailure as failure:
        raise FetchFailure(f"{url.origin}: {failure.words}", failure.trouble) from None
    except TimeoutError:
        raise FetchFailure(f"{url.origin}: no answer within {seconds:g} seconds", Trouble.TIMEOUT) from None


def trusting(ca_file: str = "") -> "ssl.SSLContext":
    """A context that believes the authorities of a PEM file, or the system's, and nobody else's. To be kept: it takes milliseconds
    and megabytes. Raises OSError (ssl.SSLError among them) where the file cannot be read."""
    import ssl

    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _ToPublic:
    """A Connector that goes to public addresses only: it sees where a name has led to, whoever answers for it."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    async def connect(self, factory: Callable[[], P], endpoint: Endpoint, timeout: float) -> P:
        if not is_public(endpoint.address):
            raise OSError(f"{endpoint.address} is no public address")
        return await self._connector.connect(factory, endpoint, timeout)


_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_GIVEN_OUT: Final = ipaddress.IPv6Network("2000::/3")
"""What else IANA gives out of the Internet's IPv6 addresses (RFC 4291 §2.4): `is_global` takes what it does not know for global."""


def is_public(address: str) -> bool:
    """Whether an address is one of the Internet (the registries of RFC 6890), also where it is an IPv4 address in the form of an
    IPv6 address (RFC 4291 §2.5.5, RFC 6052 §2.1, RFC 3056)."""
    known = ipaddress.ip_address(address)
    if isinstance(known, ipaddress.IPv6Address):
        inner = known.ipv4_mapped or known.sixtofour
        if known in _NAT64:
            inner = ipaddress.IPv4Address(int(known) & 0xFFFFFFFF)
        if inner is None and known not in _GIVEN_OUT:
            return False
        known = inner or known
    return known.is_global and not known.is_multicast
