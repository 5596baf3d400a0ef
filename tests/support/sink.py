"""A next hop for tests: takes mail as a strict receiver would, records the exact octets, and misbehaves where told to."""

import contextlib
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

END = b"\r\n.\r\n"
_ANY_NUMBER = 100_000

Answer = bytes | None | Callable[[socket.socket], object]
"""What to do instead of the usual reply: octets to send, None to hang up, or a function that is given the connection."""


@dataclass
class Taken:
    """A message that was taken: its envelope as said, and its content exactly as it came, dots and all. `secure`: over TLS.
    `at`: when it was all there (time.monotonic)."""

    sender: bytes
    recipients: list[bytes]
    content: bytes
    secure: bool = False
    at: float = field(default_factory=time.monotonic)


@dataclass
class Sink:
    """A server on `port` of `host`, an address.

    `answers`: by verb (`GREETING`, `EHLO`, `MAIL` …, `END` for the end of data, `CONNECT` for what comes before all else); may be
    changed at any time. `delay`: seconds before a message is taken. `tls`: what STARTTLS leads to, or with `wrapped` every
    connection; `keywords_over_tls`: what is offered then. `taken`: what was; `commands`: every command line that came;
    `in_clear`: those among them that came without TLS. `processes`: connections that it serves at a time, 0: any number; others
    wait for their greeting.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    delay: float = 0.0
    keywords: tuple[bytes, ...] = (b"PIPELINING", b"8BITMIME")
    tls: ssl.SSLContext | None = None
    wrapped: bool = False
    keywords_over_tls: tuple[bytes, ...] = (b"PIPELINING", b"8BITMIME")
    port: int = 0
    host: str = "127.0.0.1"
    processes: int = 0
    taken: list[Taken] = field(default_factory=list)
    commands: list[bytes] = field(default_factory=list)
    in_clear: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        sink = self
        room = threading.Semaphore(self.processes or _ANY_NUMBER)

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, EOFError), room:
                    _Session(sink, self.request).run()

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 256
            address_family = socket.AF_INET6 if ":" in self.host else socket.AF_INET

        self._server = Server((self.host, self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> "Sink":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def count(self, text: bytes) -> int:
        """How many messages that hold `text` were taken."""
        return sum(text in message.content for message in list(self.taken))

    def ids(self) -> dict[str, int]:
        """How often each value of the header X-Id was taken."""
        return {name: len(times) for name, times in self.times().items()}

    def times(self) -> dict[str, list[float]]:
        """When each value of the header X-Id was taken (time.monotonic), in order."""
        seen: dict[str, list[float]] = {}
        for message in list(self.taken):
            head = message.content.partition(b"\r\n\r\n")[0]
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"x-id:"):
                    seen.setdefault(line[5:].strip().decode(), []).append(message.at)
        return seen


class _Session:
    """One connection."""

    def __init__(self, sink: Sink, connection: socket.socket) -> None:
        self._sink = sink
        self._connection = connection
        self._buffer = b""
        self._sender = b""
        self._recipients: list[bytes] = []
        self._secure = False

    def run(self) -> None:
        self._answer("CONNECT", b"")
        if self._sink.wrapped:
            self._start_tls()
        self._answer("GREETING", b"220 sink.example ESMTP\r\n")
        while True:
            line = self._until(b"\r\n")
            self._sink.commands.append(line)
            if not self._secure:
                self._sink.in_clear.append(line)
            verb = line[:4].decode("ascii", "replace").upper()
            getattr(self, f"_{verb.lower()}", self._other)(verb, line)

    def _other(self, verb: str, line: bytes) -> None:
        self._answer(verb, b"250 2.0.0 ok\r\n")

    def _ehlo(self, verb: str, line: bytes) -> None:
        lines = [b"sink.example", *(self._sink.keywords_over_tls if self._secure else self._sink.keywords)]
        self._answer(verb, b"".join(b"250-" + one + b"\r\n" for one in lines[:-1]) + b"250 " + lines[-1] + b"\r\n")

    _lhlo = _ehlo

    def _star(self, verb: str, line: bytes) -> None:
        self._answer("STARTTLS", b"220 2.0.0 go ahead\r\n")
        told = self._sink.answers.get("STARTTLS", b"220")
        if isinstance(told, bytes) and told.startswith(b"220"):
            self._start_tls()

    def _start_tls(self) -> None:
        assert self._sink.tls
        self._connection = self._sink.tls.wrap_socket(self._connection, server_side=True)
        self._secure, self._buffer = True, b""

    def _mail(self, verb: str, line: bytes) -> None:
        self._sender, self._recipients = line[10:], []
        self._answer(verb, b"250 2.1.0 ok\r\n")

    def _rcpt(self, verb: str, line: bytes) -> None:
        self._recipients.append(line[8:])
        self._answer(verb, b"250 2.1.5 ok\r\n")

    def _data(self, verb: str, line: bytes) -> None:
        self._answer(verb, b"354 go ahead\r\n")
        content = self._until(END, b"\r\n")
        if self._sink.delay:
            time.sleep(self._sink.delay)
        if "END" not in self._sink.answers:
            self._sink.taken.append(Taken(self._sender, self._recipients, content, self._secure))
        self._answer("END", b"250 2.0.0 taken\r\n")

    def _quit(self, verb: str, line: bytes) -> None:
        self._answer(verb, b"221 2.0.0 bye\r\n")
        raise EOFError

    def _answer(self, verb: str, usual: bytes) -> None:
        answer: Any = self._sink.answers.get(verb, usual)
        if answer is None:
            raise EOFError
        if callable(answer):
            answer(self._connection)
        else:
            self._connection.sendall(answer)

    def _until(self, mark: bytes, before: bytes = b"") -> bytes:
        """What comes before `mark` (`before` counts as having come); the mark is taken as well."""
        buffer = bytearray(before + self._buffer)
        looked = 0
        while (end := buffer.find(mark, looked)) < 0:
            looked = max(len(buffer) - len(mark), 0)
            data = self._connection.recv(65536)
            if not data:
                raise EOFError
            buffer += data
        self._buffer = bytes(buffer[end + len(mark) :])
        return bytes(buffer[len(before) : end + (2 if before else 0)])
