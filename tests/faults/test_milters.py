"""Filters that fail, each in its way and at any step: the declared action, one log line, no stuck session, and recovery."""

import contextlib
import re
import smtplib
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support import milters
from tests.support.free_ports import free_port, free_ports
from tests.support.milters import CONTINUE, ScriptedFilter, add, body, say
from tests.support.postfix import QUEUE_ID
from tests.support.running import System, wait_for
from tests.support.sink import Sink

ACTIONS = {"accept": 250, "quarantine": 250, "tempfail": 451, "reject": 550, "shutdown": 421}
NOT_ACCEPTING = 554
"""The greeting of a server that refuses a client for good, as Postfix greets it then."""
LIMIT = 200_000


class Dripping(ScriptedFilter):
    """Answers everything octet by octet, each in time."""

    def _answer(self, connection: socket.socket, letter: str, data: bytes) -> bool:
        if letter not in self.answers:
            return super()._answer(connection, letter, data)
        with contextlib.suppress(OSError):
            for octet in struct.pack("!I", 100) + b"y" + b"x" * 100:
                connection.sendall(bytes([octet]))
                time.sleep(0.2)
        return False


class CutShort(ScriptedFilter):
    """Says half of an answer, and is gone."""

    def _answer(self, connection: socket.socket, letter: str, data: bytes) -> bool:
        if letter not in self.answers:
            return super()._answer(connection, letter, data)
        connection.sendall(b"\0\0\0\x20y450 4")
        return False


HEADERS = b"".join(add(b"X-%d" % one, b"x" * 900) for one in range(4000))
Make = Callable[[str, int], ScriptedFilter]
FAILING: dict[str, Make] = {
    "silent": lambda step, port: ScriptedFilter({step: None}, port=port),
    "drips": lambda step, port: Dripping({step: b""}, port=port),
    "cut short": lambda step, port: CutShort({step: b""}, port=port),
    "gone": lambda step, port: ScriptedFilter({step: b""}, port=port),
    "random": lambda step, port: ScriptedFilter({step: b"\x8f\x01\xff\x7f" * 50}, port=port),
    "huge": lambda step, port: ScriptedFilter({step: struct.pack("!I", 1 << 31) + b"c"}, port=port),
    "zeros": lambda step, port: ScriptedFilter({step: bytes(100)}, port=port),
    "progress without end": lambda step, port: ScriptedFilter({step: say("p") * 20_000}, port=port),
}
BOMBS: dict[str, bytes] = {
    "headers": HEADERS + CONTINUE,
    "a header": add(b"X", b"x" * 500_000) + CONTINUE,
    "a name that is none": add(b"X y:\r\n", b"z") + CONTINUE,
    "edits": say("-", b"<x@y>\0") * 6000 + CONTINUE,
    "a body": body(b"x" * 60_000) * 5 + CONTINUE,
    "a sender that is none": milters.sender(b"<a b c@@>") + CONTINUE,
    "control characters": milters.recipient(b"<a\r\nb@example.net>") + CONTINUE,
}


class House:
    """One Gatepost with a service for each default action, whose filter listens at `ports`."""

    def __init__(self, sink: Sink) -> None:
        ports = free_ports(2 * len(ACTIONS))
        self.filters, self.ports = dict(zip(ACTIONS, ports, strict=False)), dict(zip(ACTIONS, ports[len(ACTIONS) :], strict=True))
        master = "127.0.0.1:{port} inet n - n - - smtpd\n"
        for action, port in self.ports.items():
            named = f"{{ inet:127.0.0.1:{self.filters[action]}, default_action={action} }}"
            master += f"127.0.0.1:{port} inet n - n - - smtpd\n  -o {{ smtpd_milters={named} }}\n"
        main = {"milter_connect_timeout": "1s", "milter_command_timeout": "1s", "milter_content_timeout": "1s"}
        main |= {
            "helper_failure_limit": "0",
            "message_size_limit": str(LIMIT),
            "smtpd_peername_lookup": "no",
            "smtpd_client_port_logging": "yes",
        }
        self.system = System(main, master, relay=sink.port)

    def code(self, action: str) -> int:
        """How a message ends. The log has all of its session then."""
        code, client = self._send(action)
        self.ended(client)
        return code

    def reply(self, action: str) -> int:
        """How a message ends, whatever the log has by then: other sessions may be open."""
        return self._send(action)[0]

    def ended(self, client: int) -> None:
        """Return once the log has the end of the session from this port."""
        self.system.logged(": disconnect from ", f"]:{client} ")

    def _send(self, action: str) -> tuple[int, int]:
        """How a message ends; from which port it came."""
        port = free_port()
        try:
            with smtplib.SMTP("127.0.0.1", self.ports[action], timeout=30, source_address=("127.0.0.1", port)) as client:
                client.sendmail("a@example.com", ["b@example.net"], b"Subject: x\r\n\r\nbody\r\n")
        except smtplib.SMTPResponseException as refused:
            return refused.smtp_code, port
        return 250, port


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with Sink() as sink:
        one = House(sink)
        with one.system:
            yield one


def warnings(house: House, before: int) -> list[str]:
    return [line for line in house.system.log()[before:].splitlines() if "warning: " in line and "ilter" in line]


def warns_once(house: House, before: int) -> bool:
    """One line tells of a filter that failed; the log is written a moment after the reply."""
    wait_for(lambda: warnings(house, before), "a warning")
    return len(warnings(house, before)) == 1


@contextlib.contextmanager
def filtering(one: ScriptedFilter) -> Iterator[ScriptedFilter]:
    try:
        yield one
    finally:
        one.stop()


FAILURES = [(how, action) for how in FAILING for action in ACTIONS if how == "gone" or action in ("accept", "tempfail")]
"""Each way to fail with an action that lets mail pass and one that does not, and one way with all actions."""


@pytest.mark.parametrize("step", ["C", "M", "L", "E"])
@pytest.mark.parametrize(("how", "action"), FAILURES)
def test_the_declared_action_holds(house: House, how: str, action: str, step: str) -> None:
    before = len(house.system.log())
    with filtering(FAILING[how](step, house.filters[action])):
        assert house.code(action) == (NOT_ACCEPTING if (action, step) == ("reject", "C") else ACTIONS[action])
        assert warns_once(house, before)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_filter_that_is_not_there_and_comes_back(house: House, action: str) -> None:
    before = len(house.system.log())
    assert house.code(action) == (NOT_ACCEPTING if action == "reject" else ACTIONS[action])
    assert warns_once(house, before)
    with filtering(ScriptedFilter(port=house.filters[action])) as back:
        assert house.code(action) == 250
        assert [letter for letter, _ in back.told("CE")] == ["C", "E"]


def test_a_session_finds_the_filter_again(house: House) -> None:
    """Its next message is a new beginning, and the filter hears of the client anew."""
    port = free_port()
    with smtplib.SMTP("127.0.0.1", house.ports["tempfail"], timeout=30, source_address=("127.0.0.1", port)) as client:
        client.ehlo("client.example.com")
        assert client.mail("a@example.com")[0] == 451
        with filtering(ScriptedFilter(port=house.filters["tempfail"])) as back:
            assert client.mail("a@example.com")[0] == 250
            assert [letter for letter, _ in back.told("CHM")] == ["C", "H", "M"]
    house.ended(port)


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_no_message_can_bear_is_not_done(house: House, bomb: str) -> None:
    before = len(house.system.log())
    with filtering(ScriptedFilter({"E": BOMBS[bomb]}, port=house.filters["tempfail"])):
        assert house.code("tempfail") == 451
    told = house.system.log()[before:]
    assert "panic" not in told
    assert len(lines := [line for line in told.splitlines() if "milter" in line]) <= 3, lines
    assert house.code("tempfail") == 451  # nobody is there now; the worker is


@pytest.mark.parametrize(
    "text", [b"odd\r\nJan  1 00:00:00 x postfix/smtpd[1]: forged", b"\xff\xfe \x1b[2J", b"%s%n" * 100, b"x" * 60_000]
)
def test_why_a_message_is_held_is_one_line_of_text(house: House, text: bytes) -> None:
    before = len(house.system.log())
    with filtering(ScriptedFilter({"E": milters.quarantine(text) + CONTINUE}, port=house.filters["tempfail"])):
        assert house.code("tempfail") == 250
    wait_for(lambda: "milter-hold" in house.system.log()[before:], "a line of the log")
    told = house.system.log()[before:]
    assert not [line for line in told.splitlines() if line.startswith("Jan  1 00:00:00")]
    assert "\x1b" not in told
    assert max(map(len, told.splitlines())) < 10_000
    queue_id = re.search(rf"({QUEUE_ID}): milter-hold", told)
    assert queue_id is not None
    shown = house.system.command("postcat", "-q", queue_id[1])
    assert shown.returncode == 0
    assert "\nJan  1 00:00:00" not in shown.stdout


def test_what_a_filter_is_told_is_what_was_said(house: House) -> None:
    """NULs and line ends of a client end no string early, and no macro."""
    with filtering(ScriptedFilter(port=house.filters["tempfail"])) as one:
        with socket.create_connection(("127.0.0.1", house.ports["tempfail"]), 30) as client:
            client.sendall(b'EHLO a\0Hevil\0{auth_authen}\0root\r\nMAIL FROM:<"x\0y"@example.com>\r\nQUIT\r\n')
            while client.recv(4096):
                continue
        assert all(data.count(b"\0") == 1 for _, data in one.told("HM"))
        assert all(b"evil\0" not in data for _, data in one.told("D"))


def test_idle_sessions_keep_nobody_from_the_filter(house: House) -> None:
    with filtering(ScriptedFilter(port=house.filters["tempfail"])), contextlib.ExitStack() as stack:
        for _ in range(150):
            stack.enter_context(socket.create_connection(("127.0.0.1", house.ports["tempfail"]), 30))
        wait_for(lambda: house.reply("tempfail") == 250, "mail beside idle clients")
