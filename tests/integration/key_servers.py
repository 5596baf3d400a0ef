"""Private memcached and Redis servers."""

import socket
import subprocess
from collections.abc import Iterable, Mapping, Sequence

from tests.integration.ports import listens
from tests.support.free_ports import free_port
from tests.support.running import wait_for


class KeyServer:
    """Runs a server that forgets everything when it ends, and tells it `known` at each start. `more`: options."""

    command: Sequence[str]

    def __init__(self, known: Mapping[str, str], *more: str) -> None:
        self.port = free_port()
        self.known = known
        self._more = more
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        words = [word.format(port=self.port) for word in self.command]
        self._process = subprocess.Popen([*words, *self._more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: listens(self.port), f"a listening {words[0]}")
        self.tell(self.lines(self.known))

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    clean = stop

    def lines(self, known: Mapping[str, str]) -> Iterable[bytes]:
        """The commands, each with an answer of one line."""
        raise NotImplementedError

    def tell(self, commands: Iterable[bytes]) -> list[bytes]:
        """Say commands; the answers."""
        with socket.create_connection(("127.0.0.1", self.port), 20) as connection, connection.makefile("rb") as answers:
            found = []
            for command in commands:
                connection.sendall(command)
                found.append(answers.readline())
            return found


class Memcached(KeyServer):
    command = ("memcached", "-l", "127.0.0.1", "-p", "{port}", "-u", "nobody", "-I", "4m")

    def lines(self, known: Mapping[str, str]) -> Iterable[bytes]:
        for key, value in known.items():
            yield b"set %s 0 0 %d\r\n%s\r\n" % (key.encode(), len(value.encode()), value.encode())


class Redis(KeyServer):
    command = ("redis-server", "--bind", "127.0.0.1", "--port", "{port}", "--save", "", "--appendonly", "no", "--dir", "/tmp")

    def lines(self, known: Mapping[str, str]) -> Iterable[bytes]:
        for key, value in known.items():
            words = [b"SET", key.encode(), value.encode()]
            yield b"*3\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
