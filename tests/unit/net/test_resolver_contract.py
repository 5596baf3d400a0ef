"""What every Resolver (net/port.py) promises: c-ares over a name server of this machine, and the fake of other rooms' tests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.golden.surroundings import stub
from tests.support.fake_dns import FakeDns

from gatepost.net.dns import AresResolver
from gatepost.net.port import MX, SRV, DnsFailure, NotFound, Resolver, TryAgain

ZONE = """
two.test MX 20 second.two.test.
two.test MX 10 first.two.test.
null.test MX 0 .
first.two.test A 192.0.2.1
first.two.test A 192.0.2.2
first.two.test AAAA 2001:db8::1
only4.test A 192.0.2.4
only6.test AAAA 2001:db8::6
alias.test CNAME only4.test.
dangling.test CNAME nowhere.test.
served.test NS ns1.served.test.
served.test TXT "v=spf1 -all"
_submission._tcp.served.test SRV 1 5 2525 first.two.test.
_none._tcp.served.test SRV 0 0 0 .
below.empty.test A 192.0.2.5
*.wild.test A 192.0.2.6
known.wild.test TXT here
192.0.2.1 PTR first.two.test.
2001:db8::1 PTR first.two.test.
broken.test SERVFAIL
"""


class _NameServer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self._zone: Any = stub("dns_stub").Zone(ZONE)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._transport.sendto(self._zone.answer(data), addr)


@contextlib.asynccontextmanager
async def ares() -> AsyncIterator[Resolver]:
    pytest.importorskip("pycares")
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(_NameServer, ("127.0.0.1", 0))
    server = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    resolver = AresResolver(loop.time, nameservers=[server], hosts=Path("/nonexistent"))
    try:
        yield resolver
    finally:
        await resolver.close()
        transport.close()


@contextlib.asynccontextmanager
async def fake() -> AsyncIterator[Resolver]:
    yield FakeDns(ZONE)


ASKED: dict[str, tuple[Callable[[Any], Awaitable[Any]], object]] = {
    "addresses": (lambda dns: dns.a("first.two.test"), {"192.0.2.1", "192.0.2.2"}),
    "addresses, version 6": (lambda dns: dns.aaaa("first.two.test"), {"2001:db8::1"}),
    "exchangers, final dot gone": (lambda dns: dns.mx("two.test"), {MX(10, "first.two.test"), MX(20, "second.two.test")}),
    "a null MX": (lambda dns: dns.mx("null.test"), {MX(0, "")}),
    "text": (lambda dns: dns.txt("served.test"), {"v=spf1 -all"}),
    "a service": (lambda dns: dns.srv("_submission._tcp.served.test"), {SRV(1, 5, 2525, "first.two.test")}),
    "a service that is not offered": (lambda dns: dns.srv("_none._tcp.served.test"), {SRV(0, 0, 0, "")}),
    "name servers": (lambda dns: dns.ns("served.test"), {"ns1.served.test"}),
    "a name without case, with a dot": (lambda dns: dns.a("Only4.TEST."), {"192.0.2.4"}),
    "an alias": (lambda dns: dns.a("alias.test"), {"192.0.2.4"}),
    "a wildcard": (lambda dns: dns.a("any.wild.test"), {"192.0.2.6"}),
    "the name of an address": (lambda dns: dns.ptr("192.0.2.1"), {"first.two.test"}),
    "the name of an address, version 6": (lambda dns: dns.ptr("2001:db8::1"), {"first.two.test"}),
    "a host of both versions": (lambda dns: dns.host("first.two.test"), {"192.0.2.1", "192.0.2.2", "2001:db8::1"}),
    "a host of version 4": (lambda dns: dns.host("only4.test"), {"192.0.2.4"}),
    "a host of version 6": (lambda dns: dns.host("only6.test"), {"2001:db8::6"}),
    "no such name": (lambda dns: dns.a("nowhere.test"), (NotFound, False)),
    "no such type": (lambda dns: dns.aaaa("only4.test"), (NotFound, True)),
    "a name that only has names below it": (lambda dns: dns.a("empty.test"), (NotFound, True)),
    "a name that a wildcard does not cover": (lambda dns: dns.a("known.wild.test"), (NotFound, True)),
    "an alias of nothing": (lambda dns: dns.a("dangling.test"), (NotFound, False)),
    "no exchanger": (lambda dns: dns.mx("only4.test"), (NotFound, True)),
    "no such host": (lambda dns: dns.host("nowhere.test"), (NotFound, False)),
    "no name of an address": (lambda dns: dns.ptr("192.0.2.99"), (NotFound, False)),
    "what is no address has no name": (lambda dns: dns.ptr("not an address"), (NotFound, False)),
    "no answer for now": (lambda dns: dns.a("broken.test"), (TryAgain, None)),
    "no answer for now, below": (lambda dns: dns.mx("x.broken.test"), (TryAgain, None)),
    "no answer for now about a host": (lambda dns: dns.host("broken.test"), (TryAgain, None)),
}
"""A question, and the values of the answer (in any order) or the failure and whether the name exists."""


@pytest.mark.parametrize("opened", [ares, fake])
@pytest.mark.parametrize("question", ASKED)
def test_an_answer(question: str, opened: Callable[[], Any]) -> None:
    async def scene() -> object:
        async with opened() as dns:
            try:
                answer = await ask(dns)
            except DnsFailure as failure:
                return type(failure), getattr(failure, "exists", None)
        assert type(answer) is tuple and len(set(answer)) == len(answer)
        return set(answer)

    ask, expected = ASKED[question]
    assert asyncio.run(scene()) == expected
