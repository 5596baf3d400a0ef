"""Dialogues with postscreen, as text: what is configured, what a client says, what it hears and what the log says then.

A scene is a paragraph of tests/postscreen/scenes.txt, its first line `## name`. Lines:

    set NAME=VALUE    a parameter of this postscreen line
    from ADDRESS      where the next connections come from
    dns RECORD        one more record of the zone, which all scenes share
    connect           a connection, the one that is spoken over from now on
    > TEXT            a line from the client; >> TEXT with C-like escapes, and no line end of its own
    < LINE            a line of the server's reply; the client waits for the whole reply
    closed            the server has hung up
    hangup            the client does
    tls               a handshake
    pause             as long as the greeting takes, and a little more
    * LINE            a line of postscreen's log, in order, at the end of the scene
"""

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

FILE = Path(__file__).resolve().parents[1] / "postscreen" / "scenes.txt"
GREET_WAIT = 2
COMMON = {
    "postscreen_access_list": "",
    "postscreen_greet_wait": f"{GREET_WAIT}s",
    "postscreen_dnsbl_timeout": "10s",
    "smtpd_banner": "$myhostname ESMTP",
    "smtpd_peername_lookup": "no",
    "smtpd_client_connection_count_limit": "50",
}
"""Parameters of main.cf under which the scenes were recorded."""

_PORT = re.compile(r"\[(\d[\d.]*|[0-9a-f:]+:[0-9a-f:]*)\]:?\d+")
"""One line of Postfix's has no colon before the port."""
_TIME = re.compile(r"after [0-9.]+ from")


class Scene(Struct, frozen=True):
    name: str
    settings: dict[str, str]
    zone: tuple[str, ...]
    steps: tuple[str, ...]
    log: tuple[str, ...]


def scenes(text: str | None = None) -> list[Scene]:
    """All scenes of the file."""
    return list(_parsed(FILE.read_text() if text is None else text))


def _parsed(text: str) -> Iterator[Scene]:
    for paragraph in text.split("\n## ")[1:]:
        name, *lines = [line for line in paragraph.splitlines() if line and not line.startswith("#")]
        settings = dict(line[4:].split("=", 1) for line in lines if line.startswith("set "))
        zone = tuple(line[4:] for line in lines if line.startswith("dns "))
        steps = tuple(line for line in lines if not line.startswith(("set ", "dns ", "* ")))
        yield Scene(name, settings, zone, steps, tuple(line[2:] for line in lines if line.startswith("* ")))


def without_chance(line: str) -> str:
    """A line of the log without the port and the time that it happened to be."""
    return _TIME.sub("after T from", _PORT.sub(r"[\1]:PORT", line))


def postscreen_lines(log: str, *clients: str) -> list[str]:
    """What postscreen and its servants have said of these clients."""
    said = (line.partition(": ")[2] for line in log.splitlines() if "/postscreen[" in line)
    return [without_chance(line) for line in said if any(f"[{one}]" in line for one in clients)]


def clients(scene: Scene) -> list[str]:
    """The addresses that a scene comes from."""
    return [step[5:] for step in scene.steps if step.startswith("from ")]


def reply_lines(steps: Sequence[str], at: int) -> int:
    """How many of the steps from `at` on are the lines of one reply."""
    end = at
    while end < len(steps) and steps[end].startswith("<") and steps[end][5:6] == "-":
        end += 1
    return end - at + 1


class Player:
    """Plays scenes against a port; `play` returns the steps as they went."""

    def __init__(self, port: int, pause: Callable[[], None] = lambda: time.sleep(GREET_WAIT + 0.3)) -> None:
        self._port = port
        self._pause = pause
        self._source = "127.0.0.1"
        self._connection: socket.socket | None = None
        self._others: list[socket.socket] = []
        self._buffer = b""

    def play(self, steps: Sequence[str]) -> list[str]:
        went: list[str] = []
        at = 0
        while at < len(steps):
            step = steps[at]
            if step.startswith("<"):
                went += self._hear()
                at += reply_lines(steps, at)
                continue
            at += 1
            went += [step] if self._do(step) else ["open"]
        for one in (*self._others, self._connection):
            if one is not None:
                one.close()
        return went

    def _do(self, step: str) -> bool:
        word, _, rest = step.partition(" ")
        match word:
            case "from":
                self._source = rest
            case "connect":
                if self._connection is not None:
                    self._others.append(self._connection)
                self._connection = socket.create_connection(("127.0.0.1", self._port), 20, source_address=(self._source, 0))
                self._buffer = b""
            case ">":
                self._send(rest.encode() + b"\r\n")
            case ">>":
                self._send(rest.encode().decode("unicode_escape").encode("latin-1"))
            case "hangup":
                assert self._connection is not None
                self._connection.close()
                self._connection = None
            case "pause":
                self._pause()
            case "tls":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                assert self._connection is not None
                self._connection = context.wrap_socket(self._connection)
            case "closed":
                return self._buffer == b"" and self._more() == b""
            case _:
                raise ValueError(step)
        return True

    def _send(self, octets: bytes) -> None:
        assert self._connection is not None
        with contextlib.suppress(OSError):
            self._connection.sendall(octets)

    def _more(self) -> bytes:
        assert self._connection is not None
        try:
            return self._connection.recv(4096)
        except (ConnectionError, ssl.SSLError):
            return b""

    def _hear(self) -> list[str]:
        heard = []
        while True:
            while b"\n" not in self._buffer:
                octets = self._more()
                if not octets:
                    return [*heard, "closed"]
                self._buffer += octets
            line, _, self._buffer = self._buffer.partition(b"\n")
            heard.append("< " + line.removesuffix(b"\r").decode("utf-8", "replace"))
            if line[3:4] != b"-":
                return heard
