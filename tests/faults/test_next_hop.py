"""Next hops that break: at each step of the conversation, in every way. Mail waits, and arrives when the next hop is well again."""

import contextlib
import itertools
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.free_ports import free_port
from tests.support.running import System, wait_for
from tests.support.sink import Sink

STEPS = ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "END")
_SHORT = ("connect", "helo", "mail", "rcpt", "data_init", "data_xfer", "data_done", "rset", "quit")
_MAIN = {f"smtp_{name}_timeout": "1s" for name in _SHORT} | {
    "smtp_per_request_deadline": "yes",
    "smtp_connection_cache_on_demand": "no",
}


def _endless_line(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for _ in range(200):
            connection.sendall(b"250-" + b"x" * 65536)
    raise EOFError


def _endless_lines(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        until = time.monotonic() + 2
        while time.monotonic() < until:
            connection.sendall(b"250-more\r\n" * 1000)


def _drip(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for octet in b"250-slow\r\n":
            connection.sendall(bytes([octet]))
            time.sleep(0.2)


def _stall(connection: socket.socket) -> None:
    time.sleep(2.5)


def _and_no_more(octets: bytes) -> Callable[[socket.socket], None]:
    """What is no reply is read past (tests/odd_servers), so that it must not be followed by the next one."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(octets)
        _stall(connection)
        raise EOFError

    return answer


WAYS: dict[str, bytes | Callable[[socket.socket], object] | None] = {
    "hangs up": None,
    "refuses for now": b"451 4.3.0 not now\r\n",
    "closes with 421": b"421 4.3.2 closing\r\n",
    "talks nonsense": _and_no_more(b"\xff\xfe\x00nonsense\r\n"),
    "speaks another protocol": _and_no_more(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "has no code": _and_no_more(b"\r\n"),
    "never ends a line": _endless_line,
    "never ends a reply": _endless_lines,
    "drips": _drip,
    "stalls": _stall,
}


class World:
    """A system, and a next hop for each step that is to break: mail for `<step>.example` goes there."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.sinks = {step: stack.enter_context(Sink()) for step in STEPS}
        routes = ", ".join(f"{{{step.lower()}.example = smtp:[127.0.0.1]:{sink.port}}}" for step, sink in self.sinks.items())
        self.system = stack.enter_context(System({**_MAIN, "transport_maps": f"inline:{{{routes}}}"}))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with contextlib.ExitStack() as stack:
        yield World(stack)


@pytest.mark.parametrize("way", WAYS)
def test_mail_waits_and_arrives(world: World, way: str) -> None:
    """At every step: the message is deferred with a reason, and arrives when the next hop is well again, once."""
    system, name = world.system, way.replace(" ", "-")
    for step, sink in world.sinks.items():
        sink.answers = {step: WAYS[way]} | ({"HELO": WAYS[way]} if step == "EHLO" else {})
        assert system.send(f"X-Id: {name}\r\n\r\nbody\r\n", to=f"{name}@{step.lower()}.example")
    for step in STEPS:
        line = system.logged(f"to=<{name}@{step.lower()}.example>", "status=", seconds=20)
        assert "status=deferred" in line, line
    for sink in world.sinks.values():
        sink.answers = {}
    for step, sink in world.sinks.items():
        wait_for(lambda: sink.ids().get(name), lambda: f"{step}\n{system.log()[-3000:]}", 20)
        assert sink.ids()[name] == 1
    assert system.resident() < 200_000_000


def _reset_after(answer: bytes) -> Callable[[socket.socket], None]:
    """Answers, and is gone with a reset: the answer and the end come in one turn of the event loop."""

    def answer_and_reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(answer)
        raise EOFError

    return answer_and_reset


def test_an_answer_and_a_reset_at_once(world: World) -> None:
    """Whichever of the two is seen first, the message waits and arrives."""
    usual = {"GREETING": b"220 sink ESMTP\r\n", "EHLO": b"250-sink\r\n250 PIPELINING\r\n", "DATA": b"354 go\r\n"}
    steps = [step for step in STEPS if step != "END"]
    for step in steps:
        world.sinks[step].answers = {step: _reset_after(usual.get(step, b"250 ok\r\n"))}
        for number in range(5):
            name = f"reset-{number}"
            assert world.system.send(f"X-Id: {name}\r\n\r\nbody\r\n", to=f"{name}@{step.lower()}.example")
    for step, number in itertools.product(steps, range(5)):
        world.system.logged(f"to=<reset-{number}@{step.lower()}.example>", "status=deferred", seconds=20)
    for step in steps:
        world.sinks[step].answers = {}
    for step, number in itertools.product(steps, range(5)):
        wait_for(lambda: world.sinks[step].ids().get(f"reset-{number}"), lambda: f"{step} {world.system.log()[-3000:]}", 20)
    assert "delivery broke off" not in world.system.log()


def test_nobody_listens() -> None:
    port = free_port()
    with System(relay=port) as system:
        assert system.send("X-Id: later\r\n\r\n")
        assert "Connection refused" in system.logged("status=deferred")
        with Sink(port=port) as sink:
            wait_for(lambda: sink.ids().get("later") == 1, "the message")
