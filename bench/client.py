"""An SMTP client of few octets and little CPU: blocking sockets, a process for each that sends at one time."""

import multiprocessing
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable
from typing import Self

_PATIENCE = 60.0  # seconds for a reply


def trusting() -> ssl.SSLContext:
    """A context that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Session:
    """A session with a server on 127.0.0.1, greeted. `context`: for TLS from the first octet; `resume`: an earlier session's;
    `source`: the client's address."""

    def __init__(
        self,
        port: int,
        context: ssl.SSLContext | None = None,
        resume: ssl.SSLSession | None = None,
        source: str = "127.0.0.1",
    ) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _PATIENCE, source_address=(source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls: ssl.SSLSocket | None = None
        if context is not None:
            self._socket = self.tls = context.wrap_socket(self._socket, session=resume)
        self.code()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def code(self) -> int:
        """That of the next reply; 0 where the server has hung up."""
        reply = b""
        while not reply.endswith(b"\n") or reply[reply.rfind(b"\n", 0, -1) + 4 :][:1] == b"-":
            octets = self._socket.recv(4096)
            if not octets:
                return 0
            reply += octets
        return int(reply[:3])

    def say(self, line: bytes) -> int:
        """The code of the reply to a command, or to a message."""
        self._socket.sendall(line + b"\r\n")
        return self.code()

    def login(self, user: str, password: str) -> int:
        """The code of AUTH PLAIN."""
        return self.say(b"AUTH PLAIN " + b64encode(f"\0{user}\0{password}".encode()))

    def send(self, message: bytes) -> None:
        """A message to b@example.net. Raises SystemExit where it is not taken."""
        steps = (b"MAIL FROM:<a@example.com>", 250), (b"RCPT TO:<b@example.net>", 250), (b"DATA", 354), (message + b"\r\n.", 250)
        for line, expected in steps:
            if (code := self.say(line)) != expected:
                raise SystemExit(f"bench: {code} to {line[:30]!r}")


def side_by_side(number: int, work: Callable[..., None], *arguments: object) -> None:
    """Run it in so many processes at one time. Raises SystemExit where one fails."""
    forked = multiprocessing.get_context("fork")
    processes = [forked.Process(target=work, args=arguments) for _ in range(number)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("bench: a client failed")
