"""The policy hosts of domains (RFC 8461 §3.3): an HTTPS server at port 443 of an address of its own (root)."""

import contextlib
import random
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Mapping

from tests.support.certificate import Certificate

PATH = "/.well-known/mta-sts.txt"
Answer = bytes | Callable[[socket.socket], object]
"""What follows the request: octets, or a function that is given the connection."""


def policy(mode: str, *hosts: str, max_age: int = 604800) -> bytes:
    """A policy."""
    return "".join(
        (f"version: STSv1\nmode: {mode}\n", *(f"mx: {host}\n" for host in hosts), f"max_age: {max_age}\n"),
    ).encode()


def page(body: bytes, status: str = "200 OK", kind: str = "text/plain", more: str = "") -> bytes:
    """A response with a body."""
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


class PolicyHost:
    """`answers`: by domain, may be changed at any time; `certificates`: by domain, the empty one for all others. `asked`: domains
    whose policy was asked for, in order; `strange`: requests that were none for a policy."""

    def __init__(self, answers: Mapping[str, Answer], certificates: Mapping[str, Certificate]) -> None:
        self.address = f"127.54.{random.randrange(256)}.{random.randrange(1, 255)}"
        self.answers = dict(answers)
        self.asked: list[str] = []
        self.strange: list[bytes] = []
        contexts = {domain: _context(certificate) for domain, certificate in certificates.items()}

        def choose(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
            connection.context = contexts.get((name or "").removeprefix("mta-sts."), context)

        contexts[""].sni_callback = choose  # type: ignore[assignment]
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError), contexts[""].wrap_socket(self.request, server_side=True) as connection:
                    outer._serve(connection)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 256

        self._server = Server((self.address, 443), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := connection.recv(4096)):
                return
            head += more
        lines = head.decode("ascii", "replace").split("\r\n")
        host = next((line[6:] for line in lines if line.lower().startswith("host: mta-sts.")), "")
        domain = host.removeprefix("mta-sts.")
        if lines[0] != f"GET {PATH} HTTP/1.1" or not domain:
            self.strange.append(head)
            return
        self.asked.append(domain)
        answer = self.answers[domain]
        if isinstance(answer, bytes):
            connection.sendall(answer)
        else:
            answer(connection)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    return context
