"""TLS over connections of which some was read before: the handshake comes about wherever the reading stopped, in each loop."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast

import pytest
import uvloop
from tests.support.certificate import Certificate, make
from tests.support.turns import turns

from gatepost.net.start_tls import start_server_tls

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make(tmp_path_factory.mktemp("tls"), "mail.test")


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Awaitable[Any]], Any]]:
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield lambda what: runner.run(asyncio.wait_for(what, 10))  # type: ignore[arg-type]


class Reader(asyncio.Protocol):
    """Reads `count` octets, stops, and starts TLS with them."""

    def __init__(self, count: int, context: ssl.SSLContext) -> None:
        self._count, self._context = count, context
        self.early = b""
        self.said = b""
        self._started = False
        self.secured: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if not self._count:
            self._begin()

    def data_received(self, data: bytes) -> None:
        if self._started:
            self.said += data
            return
        self.early += data
        if len(self.early) >= self._count:
            self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self._failed(ConnectionResetError())

    def _begin(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._start())

    async def _start(self) -> None:
        self._started = True
        try:
            secured = await start_server_tls(self.transport, self, self._context, 5, self.early)
        except OSError as error:
            self._failed(error)
        else:
            self.secured.set_result(secured)

    def _failed(self, error: OSError) -> None:
        if not self.secured.done():
            self.secured.set_exception(error)
            self.secured.exception()  # asked for, though perhaps by nobody else


async def _shake(certificate: Certificate, first: int, count: int, greeting: bytes = b"") -> tuple[Reader, bytes]:
    """A client that sends `first` octets of its ClientHello, and the rest once the server has read `count` of them."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate.chain, certificate.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    _, reader = await loop.create_connection(lambda: Reader(count, server_context), sock=ours)
    theirs.setblocking(False)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = greeting + outgoing.read()
    await loop.sock_sendall(theirs, hello[:first])
    await turns(lambda: len(reader.early) >= count)
    await loop.sock_sendall(theirs, hello[first:])
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            if octets := await loop.sock_recv(theirs, 65536):
                incoming.write(octets)
            else:
                incoming.write_eof()
    tls.write(b"EHLO x\r\n")
    await loop.sock_sendall(theirs, outgoing.read())
    (await reader.secured).write(b"220 hello\r\n")
    heard = b""
    while not heard:
        try:
            heard = tls.read()
        except ssl.SSLWantReadError:
            incoming.write(await loop.sock_recv(theirs, 65536))
    await turns(lambda: reader.said != b"")
    theirs.close()
    reader.transport.abort()
    return reader, heard


@pytest.mark.parametrize(("first", "count"), [(9999, 0), (0, 0), (1, 1), (5, 5), (6, 1), (100, 100), (9999, 9999), (9999, 200)])
def test_the_handshake_comes_about(run: Any, certificate: Certificate, first: int, count: int) -> None:
    """`count` beyond the size of the hello: all of it was read."""
    size = 300  # of any hello, at least
    reader, heard = run(_shake(certificate, first, min(count, size)))
    assert heard == b"220 hello\r\n"
    assert reader.said == b"EHLO x\r\n"  # and nothing of the handshake


NOISE = [b"EHLO x\r\n", b"\x00" * 100_000, b"\x16\x03\x01\xff\xff" + b"x" * 70_000]


@pytest.mark.parametrize("noise", NOISE)
def test_what_is_no_handshake_fails(run: Any, certificate: Certificate, noise: bytes) -> None:
    with pytest.raises((OSError, ssl.SSLError)):
        run(_shake(certificate, len(noise), min(len(noise), 60_000), noise))
