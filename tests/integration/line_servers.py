"""Servers of tcp: and socketmap: tables, in threads: they know what they are given, and write down what they are asked."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Mapping
from urllib.parse import quote_from_bytes, unquote_to_bytes

from tests.support.running import free_port

Answer = bytes | None
Say = Callable[[bytes], Answer]
"""What to say to what has come so far; None while it is not whole."""


class LineServer:
    """`known`: key to value. `asked`: what it was asked about, in order."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.port = free_port()
        self.asked: list[bytes] = []
        self.refuses: Mapping[bytes, bytes] = {}
        self.known = {key.encode(): value.encode() for key, value in known.items()}
        self._open: set[socket.socket] = set()
        self._socket: socket.socket | None = None
        self.start()

    def start(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", self.port), backlog=500)
        threading.Thread(target=self._serve, args=(self._socket,), daemon=True).start()

    def stop(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def clean(self) -> None:
        self.stop()

    def greet(self) -> bytes:
        """What is said before anything has come."""
        return b""

    def say(self, octets: bytes) -> Answer:
        raise NotImplementedError

    def _serve(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._open.add(connection)
            came = b""
            connection.sendall(self.greet())
            try:
                while octets := connection.recv(65536):
                    came += octets
                    if (said := self.say(came)) is not None:
                        came = b""
                        connection.sendall(said)
            finally:
                self._open.discard(connection)


class TcpTable(LineServer):
    """tcp_table(5)."""

    def say(self, octets: bytes) -> Answer:
        request = re.fullmatch(rb"get ([!-~]*)\n", octets)
        if request is None:
            return b"400 no%20request\n" if octets.endswith(b"\n") else None
        key = unquote_to_bytes(request[1])
        self.asked.append(key)
        if key in self.refuses:
            return b"400 " + self.refuses[key] + b"\n"
        value = self.known.get(key)
        return b"500 not%20found\n" if value is None else b"200 " + quote_from_bytes(value).encode() + b"\n"


class Socketmap(LineServer):
    """socketmap_table(5), with one map, `aliases`."""

    def say(self, octets: bytes) -> Answer:
        length, colon, rest = octets.partition(b":")
        if not colon or len(rest) <= int(length):
            return None
        assert rest[int(length) :] == b",", "one netstring"
        name, _, key = rest[:-1].partition(b" ")
        self.asked.append(key)
        value = self.known.get(key) if name == b"aliases" else None
        text = b"NOTFOUND " if value is None else b"OK " + value
        text = self.refuses.get(key, text)
        return b"%d:%s," % (len(text), text)
