"""A before-queue filter that does what such filters do: passes commands and replies on between smtpd before and after it, and
refuses what it does not like."""

import contextlib
import socket
import socketserver
import threading
from typing import BinaryIO

VIRUS = b"X-Virus: yes"


class PassingFilter:
    """Listens on `port` of 127.0.0.1 and hands in again at `onward`; a content with VIRUS in it is refused. `seen`: commands."""

    def __init__(self, onward: int, port: int = 0) -> None:
        self.seen: list[str] = []
        one = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", onward), 30) as after:
                    one._pass(self.rfile, self.wfile, after)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = allow_reuse_address = True

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> "PassingFilter":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _pass(self, client: BinaryIO, out: BinaryIO, after: socket.socket) -> None:
        replies = after.makefile("rb")
        out.write(_reply(replies))
        while command := client.readline():
            self.seen.append(command.decode("latin-1").rstrip())
            after.sendall(command)
            reply = _reply(replies)
            out.write(reply)
            if reply.startswith(b"354"):
                content = _content(client)
                if VIRUS in content:
                    out.write(b"554 5.7.1 a virus\r\n")
                    return
                after.sendall(content)
                out.write(_reply(replies))


def _reply(replies: BinaryIO) -> bytes:
    lines = [replies.readline()]
    while lines[-1][3:4] == b"-":
        lines.append(replies.readline())
    return b"".join(lines)


def _content(client: BinaryIO) -> bytes:
    lines = [client.readline()]
    while lines[-1] not in (b".\r\n", b""):
        lines.append(client.readline())
    return b"".join(lines)
