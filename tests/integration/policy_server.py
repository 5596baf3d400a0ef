"""A policy server that behaves as the sender of the request says."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from tests.support.free_ports import free_port

Talk = Callable[[socket.socket], None]


def _drip(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for octet in b"action=DUNNO" + b"x" * 200:
            connection.sendall(bytes([octet]))
            time.sleep(0.2)


def _endless(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"x" * 10_000)


def _silent(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.settimeout(60)
        connection.recv(1)


BEHAVIOUR: dict[str, Talk | bytes] = {
    "well": b"action=DUNNO\n\n",
    "refuses": b"action=REJECT not here\n\n",
    "closes": lambda connection: None,
    "breaks-off": lambda connection: connection.sendall(b"action=DU"),
    "garbage": b"nonsense\n\n",
    "empty": b"\n",
    "no-action": b"reason=none\n\n",
    "twice": b"action=DUNNO\naction=REJECT\n\n",
    "crlf": b"action=DUNNO\r\n\r\n",
    "no-end": lambda connection: (connection.sendall(b"action=DUNNO\n"), _silent(connection))[0],
    "silent": _silent,
    "drips": _drip,
    "endless": _endless,
    "unknown": b"action=FROBNICATE\n\n",
}


class PolicyServer:
    """Listens on `port` of 127.0.0.1. `asked`: the senders of whom it was asked; `accepted`: connections so far."""

    def __init__(self) -> None:
        self.port = free_port()
        self.asked: list[str] = []
        self.accepted = 0
        self._socket: socket.socket | None = None
        self.start()

    def start(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, args=(self._socket,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None

    def _serve(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                self.accepted += 1
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            lines = connection.makefile("rb")
            request: dict[str, str] = {}
            for line in lines:
                name, _, value = line.decode().rstrip("\n").partition("=")
                if name:
                    request[name] = value
                    continue
                word = request["sender"].partition("@")[0]
                self.asked.append(word)
                behaviour = BEHAVIOUR[word]
                request = {}
                if isinstance(behaviour, bytes):
                    connection.sendall(behaviour)
                else:
                    behaviour(connection)
                    return
