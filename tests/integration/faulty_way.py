"""A way to a server that can be made to fail: a TCP proxy whose behaviour is changed while it runs."""

import contextlib
import selectors
import socket
from collections.abc import Callable
from typing import Any

from tests.integration.threaded_server import ThreadedServer

_PATIENCE = 60.0  # seconds


class FaultyWay(ThreadedServer):
    """Leads to `target`. `fault`: one of FAULTS; empty: none. `most`: connections at one time so far."""

    def __init__(self, target: int) -> None:
        self.fault = ""
        self.most = 0
        self._target = target
        super().__init__()

    def serve(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._target), _PATIENCE) as server:
            with self.lock:
                self.open.add(server)
                self.most = max(self.most, len(self.open) // 2)
            try:
                self._both_ways(client, server)
            finally:
                with self.lock:
                    self.open.discard(server)

    def _both_ways(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select(_PATIENCE):
                    octets = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not octets:
                        return
                    if key.fileobj is client:
                        server.sendall(octets)
                    elif FAULTS[self.fault](client, octets):
                        return


def _mid_answer(client: Any, octets: bytes) -> bool:
    client.sendall(octets[: max(len(octets) // 2, 1)])
    return True


def _silent(client: Any, octets: bytes) -> bool:
    return False


def _half_and_silent(client: Any, octets: bytes) -> bool:
    if len(octets) > 1:
        client.sendall(octets[: len(octets) // 2])
    return False


def _garbage(client: Any, octets: bytes) -> bool:
    client.sendall(bytes(octet ^ 0xA5 for octet in octets) + b"\xff\r\n\0" * 30)
    return False


def _endless(client: Any, octets: bytes) -> bool:
    client.settimeout(_PATIENCE)
    with contextlib.suppress(OSError):
        client.sendall(octets[: max(len(octets) - 3, 1)])
        while True:
            client.sendall(b"\x04\x84\x7f\xff\xff\xff" + b"x" * 65536)
    return True


def _well(client: Any, octets: bytes) -> bool:
    client.sendall(octets)
    return False


FAULTS: dict[str, Callable[[Any, bytes], bool]] = {
    "": _well,
    "dies in mid-answer": _mid_answer,
    "is silent": _silent,
    "is silent in mid-answer": _half_and_silent,
    "answers garbage": _garbage,
    "answers without end": _endless,
}
"""What happens to an answer: gets the client's socket and the octets; whether the connection is over."""
