"""How a client comes to a connection: names, addresses, TLS."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.support import certificate as certificates
from tests.support.driven_loop import run
from tests.support.stream_servers import (
    LIMITS,
    RULES,
    Asking,
    Line,
    Reader,
    Writer,
    echo,
    listening,
    silent,
)

from gatepost.net.server_address import Server, parse
from gatepost.net.stream_client import Handshake
from gatepost.net.stream_port import StreamFailure, Trouble
from gatepost.proto.exchange import Exchange


def test_each_address_of_a_name_is_tried(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("inet", tmp_path, echo) as peer:
            assert peer.server is not None
            server = Server("many.test", "many.test", peer.server.port)
            asking = Asking(server, RULES, zone="many.test A 127.0.0.77\nmany.test A 127.0.0.1\nmany.test AAAA ::1")
            assert await asking.client.ask(Line) == "hello"
            here = Asking(Server("here", "", peer.server.port), RULES)
            assert await here.client.ask(Line) == "hello"

    run(play())


@pytest.mark.parametrize(("zone", "words"), [("", "not known"), ("away.test SERVFAIL", "Temporary failure in name resolution")])
def test_a_name_without_an_address(zone: str, words: str) -> None:
    async def play() -> None:
        asking = Asking(Server("away.test:1", "away.test", 1), RULES, zone=zone)
        with pytest.raises(StreamFailure, match=words) as caught:
            await asking.client.ask(Line)
        assert caught.value.trouble is Trouble.CONNECT

    run(play())


def test_an_address_that_does_not_answer_leaves_time_for_the_next() -> None:
    """Half of the time for the first of two."""
    asked: list[tuple[str, float]] = []

    class Black:
        async def connect(self, factory: Callable[[], Any], endpoint: Any, timeout: float) -> Any:
            asked.append((endpoint.address, timeout))
            await asyncio.sleep(timeout)
            raise TimeoutError

    async def play() -> None:
        asking = Asking(Server("two.test:1", "two.test", 1), RULES, zone="two.test A 192.0.2.1\ntwo.test A 192.0.2.2")
        asking.client._network = replace(asking.client._network, connector=Black())
        with pytest.raises(StreamFailure, match="Connection timed out"):
            await asking.client.ask(Line)
        assert asked == [("192.0.2.1", pytest.approx(10, abs=0.1)), ("192.0.2.2", pytest.approx(10, abs=0.1))]

    run(play())


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> certificates.Certificate:
    return certificates.make(tmp_path_factory.mktemp("tls"), "server.test")


class StartTls(Exchange[None]):
    def question(self) -> Iterable[bytes]:
        yield b"STARTTLS\n"

    def feed(self, octets: bytes) -> bytes:
        self.finish(None, reusable=octets == b"go\n")
        return b""


def talk_tls(certificate: certificates.Certificate, more: bytes = b"") -> Callable[[Reader, Writer], Awaitable[None]]:
    async def behave(reader: Reader, writer: Writer) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        if await reader.readline() == b"STARTTLS\n":
            writer.write(b"go\n" + more)
            await writer.start_tls(context)
            await echo(reader, writer)

    return behave


@pytest.mark.parametrize("name", ["server.test", "other.test"])
def test_tls_after_starttls(tmp_path: Path, certificate: certificates.Certificate, name: str) -> None:
    context = ssl.create_default_context(cafile=str(certificate.authority))

    async def play() -> None:
        async with listening("inet", tmp_path, talk_tls(certificate)) as peer:
            asking = Asking(peer.server, RULES, handshake=Handshake(context, name, upgrade=StartTls))
            if name == certificate.name:
                assert [await asking.client.ask(Line) for _ in range(3)] == ["hello"] * 3
                assert peer.accepted == 1
            else:
                with pytest.raises(StreamFailure, match="certificate") as caught:
                    await asking.client.ask(Line)
                assert caught.value.trouble is Trouble.TLS

    run(play())


def test_octets_in_the_clear_before_tls(tmp_path: Path, certificate: certificates.Certificate) -> None:
    """Somebody between us and the server put an answer behind its consent."""
    context = ssl.create_default_context(cafile=str(certificate.authority))

    async def play() -> None:
        async with listening("inet", tmp_path, talk_tls(certificate, b"ok forged\n")) as peer:
            with pytest.raises(StreamFailure) as caught:
                await Asking(peer.server, RULES, handshake=Handshake(context, "server.test", upgrade=StartTls)).client.ask(Line)
            assert caught.value.trouble is Trouble.GARBAGE

    run(play())


def test_a_server_that_is_silent_in_the_handshake(tmp_path: Path) -> None:
    async def play() -> None:
        async with listening("inet", tmp_path, silent) as peer:
            begun = asyncio.get_running_loop().time()
            with pytest.raises(StreamFailure) as caught:
                await Asking(peer.server, RULES, handshake=Handshake(ssl.create_default_context(), "x.test")).client.ask(Line)
            assert caught.value.trouble in (Trouble.TLS, Trouble.CONNECT)
            assert asyncio.get_running_loop().time() - begun == pytest.approx(LIMITS.connect, abs=0.1)

    run(play())


# Where a server is


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("inet:127.0.0.1:10023", Server("127.0.0.1:10023", "127.0.0.1", 10023)),
        ("inet:[::1]:10023", Server("[::1]:10023", "::1", 10023)),
        ("inet:policy.test:greylist", Server("policy.test:greylist", "policy.test", 60)),
        ("inet:10023", Server("10023", "", 10023)),
        ("unix:private/policy", Server("private/policy", path="/spool/private/policy")),
        ("unix:/run/policy", Server("/run/policy", path="/run/policy")),
        ("local:private/policy", Server("private/policy", path="/spool/private/policy")),
    ],
)
def test_where_a_server_is(text: str, server: Server) -> None:
    assert parse(text, "/spool", {"greylist": 60}) == server


@pytest.mark.parametrize(
    "text", ["", "greylist", "unix:", "inet:", "inet:host:", "inet:host:nosuchservice", "inet:h:70000", "tcp:h:1"]
)
def test_no_server(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text, "/spool", {})


class _Greeting(Line):
    """A line that comes unasked."""

    server_first = True

    def question(self) -> Iterable[bytes]:
        return ()


async def _greeting_at_once(reader: Reader, writer: Writer) -> None:
    writer.write(b"ok welcome\n")
    await echo(reader, writer)


async def _greeting_and_going(reader: Reader, writer: Writer) -> None:
    writer.write(b"ok no\n")


async def _greeting_with_more(reader: Reader, writer: Writer) -> None:
    writer.write(b"ok welcome\nok what nobody asked for\n")
    await asyncio.sleep(10_000)


@pytest.mark.parametrize("before", [0, 5])
@pytest.mark.parametrize(
    ("behave", "heard"), [(_greeting_at_once, "welcome"), (_greeting_and_going, "no"), (_greeting_with_more, "welcome")]
)
def test_a_greeting_waits_for_whoever_wants_to_hear_it(tmp_path: Path, behave: Any, heard: str, before: int) -> None:
    """However soon it comes, and though the server has gone since."""

    async def play() -> None:
        async with listening("inet", tmp_path, behave) as peer:
            assert peer.server is not None
            session = await Asking(peer.server, RULES).client.begin()
            for _ in range(before):
                await asyncio.sleep(0.1)
            assert await session.ask(_Greeting()) == heard
            if behave is _greeting_at_once:
                assert await session.ask(Line()) == "hello"
            else:
                with pytest.raises(StreamFailure) as caught:
                    await session.ask(Line())
                assert caught.value.trouble is Trouble.CLOSED
            session.end()

    run(play())


def test_a_greeting_without_end_is_one_failure(tmp_path: Path) -> None:
    async def endless(reader: Reader, writer: Writer) -> None:
        while True:
            writer.write(b"x" * 1000)
            await writer.drain()

    async def play() -> None:
        async with listening("inet", tmp_path, endless) as peer:
            assert peer.server is not None
            session = await Asking(peer.server, RULES).client.begin()
            await asyncio.sleep(1)
            with pytest.raises(StreamFailure):
                await session.ask(_Greeting())
            session.end()

    run(play())
