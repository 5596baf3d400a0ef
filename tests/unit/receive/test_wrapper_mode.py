"""TLS from the start (smtpd_tls_wrappermode): a client that begins at once, before we know who it is, is never lost."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from tests.support.certificate import Certificate, make
from tests.support.settings import default
from tests.support.turns import turns
from tests.unit.receive.dialogue import Stage_, client_names, stage

from gatepost.net.tls import ServerTls, TlsServerSettings

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
HEADERS = {
    "no header": b"",
    "version 1": b"PROXY TCP4 127.0.0.2 127.0.0.1 40000 465\r\n",
    "unknown": b"PROXY UNKNOWN\r\n",
    "version 2": b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x7f\x00\x00\x02\x7f\x00\x00\x01\x9c\x40\x01\xd1",
}
_LONG = 1 << 20


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make(tmp_path_factory.mktemp("tls"), "mail.example.test")


class SlowResolver:
    """Does not know who the client is until `told` is set."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self._names = client_names()
        self.host = self._names.host

    async def ptr(self, address: str) -> tuple[str, ...]:
        await self.told.wait()
        return await self._names.ptr(address)


def _service(certificate: Certificate, resolver: Any, header: str, *, demands: bool = False, **parameters: Any) -> Stage_:
    """`demands`: a client has to show a certificate."""
    chain = f"{certificate.key}, {certificate.chain}"
    required = {"smtpd_tls_security_level": "encrypt", "smtpd_tls_chain_files": chain, "smtpd_tls_req_ccert": demands}
    tls = ServerTls(default(TlsServerSettings, **required), wrapper=True)
    proxied = {"smtpd_upstream_proxy_protocol": "haproxy"} if HEADERS[header] else {}
    return stage({"smtpd_tls_wrappermode": True, **proxied, **parameters}, resolver=resolver, tls=tls)


class Client:
    """A client of TLS over a socket, in pieces of so many octets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, piece: int) -> None:
        self._reader, self._writer, self._piece = reader, writer, piece
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._tls = context.wrap_bio(self._incoming, self._outgoing)

    async def send(self, before: bytes = b"") -> None:
        """Send what there is, after `before`."""
        octets = before + self._outgoing.read()
        for start in range(0, len(octets), self._piece):
            self._writer.write(octets[start : start + self._piece])
            await self._writer.drain()
            await asyncio.sleep(0)

    def begin(self) -> None:
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.do_handshake()

    async def ask(self, what: Callable[[], Any]) -> Any:
        """The result of a call of the TLS object's, once enough has come for it."""
        while True:
            try:
                return what()
            except ssl.SSLWantReadError:
                await self.send()
                octets = await self._reader.read(65536)
                if not octets:
                    raise EOFError from None
                self._incoming.write(octets)

    async def talk(self) -> list[bytes]:
        await self.ask(self._tls.do_handshake)
        said = [await self.ask(self._tls.read)]
        for command in (b"EHLO x\r\n", b"QUIT\r\n"):
            self._tls.write(command)
            said.append(await self.ask(self._tls.read))
        self._writer.close()
        return said


def _run(loop: str, scene: Callable[[], Any]) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(asyncio.wait_for(scene(), 20))


async def _heard(service: Stage_, octets: int) -> None:
    """Return when the service has read so many octets of its one client (and kept them)."""
    await turns(lambda: any(session._connection.core.pending >= octets for session in service.service._sessions))


async def _connected(service: Stage_, piece: int) -> Client:
    server = await asyncio.get_running_loop().create_server(service.service.protocol, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    return Client(*await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0)), piece)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("piece", [_LONG, 1, 7])
def test_what_comes_before_the_name_is_known_begins_the_handshake(
    certificate: Certificate, loop: str, header: str, piece: int
) -> None:
    async def scene() -> None:
        resolver = SlowResolver()
        service = _service(certificate, resolver, header)
        client = await _connected(service, piece)
        client.begin()
        await client.send(HEADERS[header])
        await _heard(service, 200)
        resolver.told.set()
        greeting, hello, farewell = await client.talk()
        assert greeting == b"220 mail.example.test ESMTP Postfix\r\n"
        assert b"STARTTLS" not in hello
        assert farewell.startswith(b"221")
        assert service.log[0] == "connect from client2.client.test[127.0.0.2]"

    _run(loop, scene)


@pytest.mark.parametrize("loop", LOOPS)
def test_who_shows_no_certificate_where_it_is_demanded_is_told_so(certificate: Certificate, loop: str) -> None:
    """As Postfix: after the handshake, and nothing else is heard."""

    async def scene() -> None:
        resolver = client_names()
        service = _service(certificate, resolver, "no header", demands=True)
        client = await _connected(service, _LONG)
        told = b"421 4.7.1 mail.example.test Error: No client certificate presented\r\n"
        assert await client.talk() == [told, b"", b""]
        abort = "NOQUEUE: abort: TLS from client2.client.test[127.0.0.2]: No client certificate presented"
        await turns(lambda: abort in service.log)

    _run(loop, scene)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_hello_in_two_halves_around_the_answer(certificate: Certificate, loop: str) -> None:
    async def scene() -> None:
        resolver = SlowResolver()
        service = _service(certificate, resolver, "no header")
        client = await _connected(service, 100)
        client.begin()
        sending = asyncio.ensure_future(client.send())
        await _heard(service, 100)
        resolver.told.set()
        await sending
        assert (await client.talk())[2].startswith(b"221")

    _run(loop, scene)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("early", [b"EHLO x\r\nMAIL FROM:<a@x.test>\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 400_000, b"\n"])
def test_what_is_no_handshake_ends_it(certificate: Certificate, loop: str, early: bytes) -> None:
    """A flood is not read either: no more than what a session may hold."""

    async def scene() -> None:
        resolver = SlowResolver()
        service = _service(certificate, resolver, "no header", smtpd_starttls_timeout=1)
        client = await _connected(service, _LONG)
        client._writer.write(early)
        await _heard(service, min(len(early), 100_000))
        await turns(at_most=100)
        held = max(session._connection.core.pending for session in service.service._sessions)
        assert held < 700_000
        resolver.told.set()
        client._writer.write_eof()
        with contextlib.suppress(ConnectionResetError):
            assert (await client._reader.read(100))[:1] in (b"", b"\x15")
        await service.service.idle()
        assert not any(line.startswith("EHLO") for line in service.log)

    _run(loop, scene)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_client_that_hangs_up_meanwhile_takes_no_room(certificate: Certificate, loop: str) -> None:
    async def scene() -> None:
        resolver = SlowResolver()
        service = _service(certificate, resolver, "no header")
        client = await _connected(service, _LONG)
        client.begin()
        await client.send()
        client._writer.write_eof()
        await _heard(service, 200)
        await turns(at_most=100)
        resolver.told.set()
        await service.service.idle()

    _run(loop, scene)
