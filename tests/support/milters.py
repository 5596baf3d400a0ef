"""A mail filter that does as a script says, for us and for Postfix: the filter's side of the milter protocol, written anew here."""

import contextlib
import socket
import struct
import threading
from collections.abc import Mapping
from pathlib import Path

Heard = list[tuple[str, bytes]]


def say(letter: str, data: bytes = b"") -> bytes:
    """A packet of a filter."""
    return struct.pack("!I", len(data) + 1) + letter.encode("latin-1") + data


def reply(text: str) -> bytes:
    """A reply of its own words."""
    return say("y", text.encode() + b"\0")


CONTINUE, ACCEPT, REJECT, TEMPFAIL = say("c"), say("a"), say("r"), say("t")
DISCARD, SKIP, SHUTDOWN, PROGRESS = say("d"), say("s"), say("4"), say("p")


def add(name: bytes, value: bytes) -> bytes:
    return say("h", name + b"\0" + value + b"\0")


def insert(at: int, name: bytes, value: bytes) -> bytes:
    return say("i", struct.pack("!I", at) + name + b"\0" + value + b"\0")


def change(number: int, name: bytes, value: bytes) -> bytes:
    return say("m", struct.pack("!I", number) + name + b"\0" + value + b"\0")


def sender(address: bytes, parameters: bytes = b"") -> bytes:
    return say("e", address + b"\0" + (parameters + b"\0" if parameters else b""))


def recipient(address: bytes, parameters: bytes | None = None) -> bytes:
    return say("+", address + b"\0") if parameters is None else say("2", address + b"\0" + parameters + b"\0")


def no_recipient(address: bytes) -> bytes:
    return say("-", address + b"\0")


def body(octets: bytes) -> bytes:
    return say("b", octets)


def quarantine(reason: bytes) -> bytes:
    return say("q", reason + b"\0")


SILENT = {"L": 0x80, "C": 0x1000, "H": 0x2000, "M": 0x4000, "R": 0x8000, "T": 0x10000, "U": 0x20000, "N": 0x40000, "B": 0x80000}
"""By the letter of a step, the bit that says that it is not answered."""


class Framing:
    """Packets out of octets."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, octets: bytes) -> Heard:
        self._held += octets
        found: Heard = []
        while len(self._held) >= 5 and len(self._held) >= (size := 4 + struct.unpack("!I", self._held[:4])[0]):
            found.append((chr(self._held[4]), self._held[5:size]))
            self._held = self._held[size:]
        return found


class ScriptedFilter:
    """Listens on a port of 127.0.0.1, or on a UNIX-domain socket at `path`.

    `answers`: by the letter of a step, or `letter:octets` where the data must hold those; else it says CONTINUE. An answer of None
    is silence, one of `b""` ends the connection.
    `heard`: what each connection was told, less the negotiation; `offers`: that.
    """

    def __init__(
        self,
        answers: Mapping[str, bytes | None] | None = None,
        *,
        steps: int = 0,
        version: int = 6,
        actions: int = 0x1FF,
        macros: bytes = b"",
        negotiation: bytes | None = None,
        port: int = 0,
        path: Path | None = None,
    ) -> None:
        self.answers = dict(answers or {})
        self.steps = steps
        self.negotiation = negotiation or say("O", struct.pack("!III", version, actions, steps) + macros)
        self.heard: list[Heard] = []
        self.offers: list[bytes] = []
        self._path = path
        if path is None:
            self._listening = socket.create_server(("127.0.0.1", port))
            self.port: int = self._listening.getsockname()[1]
        else:
            self._listening = socket.create_server(str(path), family=socket.AF_UNIX)
            path.chmod(0o666)
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def name(self) -> str:
        """As main.cf names it."""
        return f"inet:127.0.0.1:{self.port}" if self._path is None else f"unix:{self._path}"

    def stop(self) -> None:
        """End it, and all its connections."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in tuple(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def told(self, letters: str) -> list[tuple[str, bytes]]:
        """What all connections were told of these steps."""
        return [one for heard in self.heard for one in heard if one[0] in letters]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                if self._path is None:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        heard: Heard = []
        framing = Framing()
        try:
            with connection, contextlib.suppress(OSError):
                while octets := connection.recv(65536):
                    for letter, data in framing.feed(octets):
                        if letter == "O":
                            self.heard.append(heard)
                            self.offers.append(data)
                            connection.sendall(self.negotiation)
                            continue
                        heard.append((letter, data))
                        if letter == "Q" or not self._answer(connection, letter, data):
                            return
        finally:
            self._open.discard(connection)

    def _answer(self, connection: socket.socket, letter: str, data: bytes) -> bool:
        """Whether it goes on."""
        if letter in "DA" or self.steps & SILENT.get(letter, 0):
            return True
        keys = [key for key in self.answers if key[0] == letter and key[1:2] == ":" and key[2:].encode("latin-1") in data]
        answer = self.answers.get(keys[0] if keys else letter, CONTINUE)
        if answer:
            connection.sendall(answer)
        return answer is None or bool(answer)
