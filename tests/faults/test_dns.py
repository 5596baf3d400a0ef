"""A name server that is away, silent or out of its mind: mail that needs it waits with a clear reason and goes out when it is back;
no other mail is delayed. The system under test has a resolv.conf of its own."""

import os
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.golden.surroundings import stub
from tests.support.running import System, wait_for
from tests.support.sink import Sink

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a resolv.conf of its own needs root")

ZONE = "needy.example MX 10 mx.needy.example\nmx.needy.example A 127.0.0.1\n"
_DELAY = 3.0  # seconds that other mail may take, on a busy machine


def _with_rcode(code: int) -> Callable[[bytes], bytes]:
    return lambda question: question[:2] + struct.pack(">H", 0x8180 | code) + question[4:]


def _answer(question: bytes) -> bytes:
    answer: bytes = stub("dns_stub").Zone(ZONE).answer(question)
    return answer


WAYS: dict[str, Callable[[bytes], bytes] | None] = {
    "is away": None,
    "is silent": lambda question: b"",
    "fails": _with_rcode(2),
    "refuses": _with_rcode(5),
    "answers with noise": lambda question: random.Random(1).randbytes(60),
    "answers another question": lambda question: bytes([question[0] ^ 1]) + _answer(question)[1:],
    "answers with nothing": lambda question: question[:2] + b"\x81\x80" + b"\0" * 8,
}


class NameServer:
    """At port 53 of an address of its own. `way`: how it misbehaves, one of WAYS."""

    def __init__(self, way: str) -> None:
        self.address = f"127.53.{random.randrange(256)}.{random.randrange(1, 255)}"
        self.questions = 0
        self._answer = WAYS[way]
        if self._answer is not None:
            self._serve()

    def recover(self) -> None:
        """From now on it does as it should."""
        absent, self._answer = self._answer is None, _answer
        if absent:
            self._serve()

    def _serve(self) -> None:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((self.address, 53))
        threading.Thread(target=self._run, args=(server,), daemon=True).start()

    def _run(self, server: socket.socket) -> None:
        while True:
            question, client = server.recvfrom(4096)
            self.questions += 1
            assert self._answer
            if answer := self._answer(question):
                server.sendto(answer, client)


def _system(sink: Sink, server: NameServer, folder: Path) -> System:
    """Mail for `easy.example` needs no name server."""
    resolv_conf = folder / "resolv.conf"
    resolv_conf.write_text(f"nameserver {server.address}\n")
    main = {
        "smtp_tcp_port": str(sink.port),
        "transport_maps": f"inline:{{ {{easy.example = smtp:[127.0.0.1]:{sink.port}}} }}",
        "smtp_destination_concurrency_limit": "50",
    }
    mount = f'mount --bind {resolv_conf} /etc/resolv.conf && exec "$@"'
    return System(main, prefix=("unshare", "--mount", "sh", "-c", mount, "sh"))


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as one:
        yield one


@pytest.mark.parametrize("way", WAYS)
def test_mail_that_needs_it_waits_and_other_mail_does_not(way: str, sink: Sink, tmp_path: Path) -> None:
    server = NameServer(way)
    with _system(sink, server, tmp_path) as system:
        assert system.send("X-Id: needy\r\n\r\n", to="b@needy.example")
        begun = time.monotonic()
        assert system.send("X-Id: easy\r\n\r\n", to="b@easy.example")
        wait_for(lambda: sink.ids().get("easy"), "other mail", _DELAY)
        assert time.monotonic() - begun < _DELAY
        line = system.logged("to=<b@needy.example>", "status=", seconds=40)
        assert (
            "dsn=4.4.3, status=deferred (Host or domain name not found. Name service error for name=needy.example type=MX: " in line
        )
        assert line.endswith("Host not found, try again)")
        server.recover()
        wait_for(lambda: sink.ids().get("needy"), lambda: system.log()[-5000:], 40)
        assert sink.ids() == {"easy": 1, "needy": 1}
        assert system.audit().returncode == 0


def test_many_that_wait_for_a_silent_name_server_hold_up_nobody(sink: Sink, tmp_path: Path) -> None:
    server = NameServer("is silent")
    with _system(sink, server, tmp_path) as system:
        for number in range(60):
            assert system.send(f"X-Id: needy-{number}\r\n\r\n", to=f"b@needy-{number}.example")
        wait_for(lambda: server.questions >= 60, "their questions")
        for number in range(20):
            begun = time.monotonic()
            assert system.send(f"X-Id: easy-{number}\r\n\r\n", to="b@easy.example")
            wait_for(lambda name=f"easy-{number}": sink.ids().get(name), "other mail", _DELAY)  # type: ignore[misc]
            assert time.monotonic() - begun < _DELAY
