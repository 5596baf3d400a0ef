"""A server of a test's own, in threads: it can be stopped, started again on the same port, and made to hang up."""

import contextlib
import socket
import threading

from tests.support.free_ports import free_port


class ThreadedServer:
    """Listens on `port` of 127.0.0.1 from the start. `serve` is called with each connection, in a thread of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.open: set[socket.socket] = set()
        """Sockets that `cut` ends."""
        self.lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.start()

    def start(self) -> None:
        """Take connections."""
        self._socket = socket.create_server(("127.0.0.1", self.port), backlog=500)
        threading.Thread(target=self._accept, args=(self._socket,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections, and end those there are."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None
        self.cut()

    def clean(self) -> None:
        self.stop()

    def cut(self) -> None:
        """End all connections."""
        with self.lock:
            for one in self.open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            with self.lock:
                self.open.add(connection)
            try:
                self.serve(connection)
            finally:
                with self.lock:
                    self.open.discard(connection)
