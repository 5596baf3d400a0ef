"""Names that are no host names: asked of the name servers, by UDP and by TCP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.golden.surroundings import stub

from gatepost.net.any_name import CROWD, AnyNameResolver, _endpoint
from gatepost.net.port import MX, Answer, NotFound, TryAgain

ZONE = """
a+b.test A 192.0.2.1
a+b.test MX 10 mx.test
x=y.test CNAME a+b.test
l+ng.test TXT v=spf1 -all
broken.test SERVFAIL
silent.test DROP
"""


class Source:
    async def answer(self, name: str, record: str) -> Answer:
        return Answer(("192.0.2.99",), name, 60, 0.0)

    async def host(self, name: str) -> tuple[str, ...]:
        return ("192.0.2.98",)


class NameServer(asyncio.DatagramProtocol):
    """Its answers about `l+ng.test` are too long for UDP. `noise`: what comes before each answer."""

    def __init__(self, noise: Callable[[bytes], bytes]) -> None:
        self.zone: Any = stub("dns_stub").Zone(ZONE)
        self._noise = noise

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        answer = self.zone.answer(data)
        if answer is not None:
            self._transport.sendto(self._noise(answer), addr)
            self._transport.sendto(answer[:2] + b"\x83\x80" + answer[4:] if b"l+ng" in answer else answer, addr)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        answer = self.zone.answer(await reader.readexactly(length))
        writer.write(len(answer).to_bytes(2, "big") + answer)
        writer.close()


@contextlib.asynccontextmanager
async def resolver(noise: Callable[[bytes], bytes]) -> AsyncIterator[AnyNameResolver]:
    loop = asyncio.get_running_loop()
    server = NameServer(noise)
    by_tcp = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    address = by_tcp.sockets[0].getsockname()
    transport, _ = await loop.create_datagram_endpoint(lambda: server, address)
    source: Any = Source()
    try:
        yield AnyNameResolver(source, lambda: [f"127.0.0.1:{address[1]}"], patience=0.3, rounds=1)
    finally:
        transport.close()
        by_tcp.close()


def ask(question: Callable[[AnyNameResolver], Awaitable[Any]], noise: Callable[[bytes], bytes] = lambda answer: b"noise") -> Any:
    async def scene() -> Any:
        async with resolver(noise) as found:
            return await question(found)

    return asyncio.run(scene())


@pytest.mark.parametrize(
    ("question", "found"),
    [
        (lambda dns: dns.a("a+b.test"), ("192.0.2.1",)),
        (lambda dns: dns.a("x=y.test"), ("192.0.2.1",)),
        (lambda dns: dns.mx("a+b.test"), (MX(10, "mx.test"),)),
        (lambda dns: dns.txt("l+ng.test"), ("v=spf1 -all",)),
        (lambda dns: dns.a("host.test"), ("192.0.2.99",)),
        (lambda dns: dns.srv("a+b.test"), ("192.0.2.99",)),
        (lambda dns: dns.host("a+b.test"), ("192.0.2.98",)),
    ],
)
def test_answers(question: Callable[[AnyNameResolver], Awaitable[Any]], found: object) -> None:
    assert ask(question) == found


def test_answers_of_others_are_not_believed() -> None:
    forged = lambda answer: bytes((answer[0] ^ 1,)) + answer[1:].replace(bytes((192, 0, 2, 1)), bytes((192, 0, 2, 66)))  # noqa: E731
    assert ask(lambda dns: dns.a("a+b.test"), forged) == ("192.0.2.1",)


@pytest.mark.parametrize(
    ("name", "failure", "exists"),
    [
        ("a+c.test", NotFound, False),
        ("l+ng.test", NotFound, True),
        ("+..test", NotFound, False),
        ("a+b.broken.test", TryAgain, None),
        ("a+b.silent.test", TryAgain, None),
    ],
)
def test_failures(name: str, failure: type[Exception], exists: bool | None) -> None:
    with pytest.raises(failure) as raised:
        ask(lambda dns: dns.a(name))
    assert getattr(raised.value, "exists", None) is exists


def test_a_client_whose_servers_are_silent_waits_behind_his_own_questions() -> None:
    async def question(dns: AnyNameResolver) -> Any:
        mine = dns.of("192.0.2.1")
        silent = [asyncio.ensure_future(mine.a(f"a+{number}.silent.test")) for number in range(CROWD.connections * 2)]
        await asyncio.sleep(0)
        answer = await dns.of("192.0.2.2").a("a+b.test")
        ended = sum(one.done() for one in silent)
        for one in silent:
            one.cancel()
        return answer, ended

    assert ask(question) == (("192.0.2.1",), 0)


def test_too_many_questions_that_wait_are_a_temporary_failure() -> None:
    async def question(dns: AnyNameResolver) -> Any:
        many = CROWD.share + CROWD.waiting + 1
        silent = [asyncio.ensure_future(dns.of("192.0.2.1").a(f"a+{number}.silent.test")) for number in range(many)]
        failure = await asyncio.gather(silent[-1], return_exceptions=True)
        answer = await dns.of("192.0.2.2").a("a+b.test")
        for one in silent:
            one.cancel()
        return failure, answer

    (failure,), answer = ask(question)
    assert isinstance(failure, TryAgain)
    assert "too many questions" in str(failure)
    assert answer == ("192.0.2.1",)


@pytest.mark.parametrize(
    ("server", "endpoint"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
        ("[2001:db8::1]", ("2001:db8::1", 53)),
    ],
)
def test_name_servers(server: str, endpoint: tuple[str, int]) -> None:
    assert _endpoint(server) == endpoint
