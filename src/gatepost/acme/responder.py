"""Who answers the authority's questions about a challenge: strangers come to this port, so that all is bounded.

A connection has a few seconds. Where there are too many, the oldest gives way: an authority is answered within one packet each way,
whoever holds many connections only loses them.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from gatepost.acme.port import HTTP_01, Proof
from gatepost.acme.responder_http import answer
from gatepost.acme.responder_tls import context_for

MOST_CONNECTIONS: Final = 64
SECONDS: Final = 5.0
"""For a connection, from its first octet to its last."""
_MOST_OCTETS: Final = 4096  # of a question
_PAUSE: Final = 0.2  # seconds after a failure to accept

Serve = Callable[[socket.socket], Awaitable[None]]


@contextlib.asynccontextmanager
async def responding(kind: str, listeners: Sequence[socket.socket], proofs: Sequence[Proof]) -> AsyncIterator[None]:
    """Answer challenges of a kind on these sockets, which are closed at the end."""
    crowd = _Crowd(_over_http(proofs) if kind == HTTP_01 else _over_tls(proofs))
    for listener in listeners:
        crowd.open(listener)
    try:
        yield
    finally:
        for listener in listeners:
            crowd.close(listener)
        await crowd.end()


class _Crowd:
    """Those who are connected. They are accepted by a reader's callback: the loop's sock_accept(), cancelled while somebody comes,
    raises into the loop."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._loop = asyncio.get_running_loop()
        self._connections: dict[asyncio.Task[None], None] = {}

    def open(self, listener: socket.socket) -> None:
        """Accept from a socket; not where it has been closed meanwhile."""
        if listener.fileno() >= 0:
            listener.setblocking(False)
            self._loop.add_reader(listener, self._accept, listener)

    def close(self, listener: socket.socket) -> None:
        self._loop.remove_reader(listener)
        listener.close()

    async def end(self) -> None:
        """Send everybody away."""
        left = [*self._connections]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return  # gone again
        except OSError:  # no descriptors: who comes waits
            self._loop.remove_reader(listener)
            self._loop.call_later(_PAUSE, self.open, listener)
            return
        if len(self._connections) >= MOST_CONNECTIONS:
            oldest = next(iter(self._connections))
            del self._connections[oldest]
            oldest.cancel()
        task = asyncio.create_task(_bounded(self._serve, connection))
        self._connections[task] = None
        task.add_done_callback(lambda done: self._connections.pop(done, None))


async def _bounded(serve: Serve, connection: socket.socket) -> None:
    """Whatever a client does, it is nobody's trouble but its own."""
    connection.setblocking(False)
    try:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(SECONDS):
                await serve(connection)
    finally:
        connection.close()


def _over_http(proofs: Sequence[Proof]) -> Serve:
    known = {proof.token: proof.key_authorization for proof in proofs}

    async def serve(connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        question = b""
        while b"\r\n\r\n" not in question and b"\n\n" not in question and len(question) < _MOST_OCTETS:
            octets = await loop.sock_recv(connection, _MOST_OCTETS - len(question))
            if not octets:
                return
            question += octets
        await loop.sock_sendall(connection, answer(question, known))
        connection.shutdown(socket.SHUT_WR)
        await loop.sock_recv(connection, 1)  # what is unread when it is closed would take the answer away

    return serve


def _over_tls(proofs: Sequence[Proof]) -> Serve:
    context = context_for(proofs)

    async def serve(connection: socket.socket) -> None:
        """The handshake is all: the certificate is the answer (RFC 8737 §3)."""
        loop = asyncio.get_running_loop()
        own = connection.dup()  # the transport closes this one, and we the other
        transport, _ = await loop.connect_accepted_socket(
            asyncio.Protocol, own, ssl=context, ssl_handshake_timeout=SECONDS, ssl_shutdown_timeout=1.0
        )
        transport.close()

    return serve
