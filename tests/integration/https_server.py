"""An HTTPS server of a test's own, with a certificate of the tests' authority: what it says is set by path."""

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from tests.support.certificate import Certificate


class Asked(NamedTuple):
    """A request as it came. `headers`: names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Said(NamedTuple):
    """The answer to one."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012


class HttpsServer:
    """Listens on `port` of 127.0.0.1, until `close`. `answers`: what is said to a request, by its path; a value may be a function
    of the request, which may also wait. `asked`: all requests so far."""

    def __init__(self, certificate: Certificate, port: int = 0) -> None:
        self.answers: dict[str, Said | Callable[[Asked], Said]] = {}
        self.asked: list[Asked] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._server.context = context
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, asked: Asked) -> Said:
        self.asked.append(asked)
        said = self.answers.get(asked.path, Said(404))
        return said if isinstance(said, Said) else said(asked)


class _Server(ThreadingHTTPServer):
    """The handshake is done by the thread of its connection, so that a client who is silent holds nobody else up."""

    context: ssl.SSLContext
    daemon_threads = True
    block_on_close = False

    def finish_request(self, request, client_address) -> None:  # type: ignore[no-untyped-def]
        try:
            with self.context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        except OSError:
            pass  # the client has gone, or does not believe us


def _handler(server: HttpsServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            said = server.answer(Asked(self.command, self.path, headers, body))
            self.send_response(said.status)
            for name, value in ({"Content-Length": str(len(said.body))} | said.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.body)

        do_GET = do_POST = _answer

        def log_message(self, format: str, *args: object) -> None: ...

    return Handler
