"""Servers of tcp: and socketmap: tables, in threads: they know what they are given, and write down what they are asked."""

import re
import socket
from collections.abc import Mapping
from urllib.parse import quote_from_bytes, unquote_to_bytes

from tests.integration.threaded_server import ThreadedServer

Answer = bytes | None


class LineServer(ThreadedServer):
    """`known`: key to value. `asked`: what it was asked about, in order. `refuses`: what is said of keys instead of an answer."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.asked: list[bytes] = []
        self.refuses: Mapping[bytes, bytes] = {}
        self.known = {key.encode(): value.encode() for key, value in known.items()}
        super().__init__()

    def greet(self) -> bytes:
        """What is said before anything has come."""
        return b""

    def say(self, octets: bytes) -> Answer:
        raise NotImplementedError

    def serve(self, connection: socket.socket) -> None:
        came = b""
        connection.sendall(self.greet())
        while octets := connection.recv(65536):
            came += octets
            if (said := self.say(came)) is not None:
                came = b""
                connection.sendall(said)


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
