"""Classes 7, 15, 21 and 22 for postscreen: noise at the port, crowds, octets meant for the log. Honest clients are served."""

import contextlib
import random
import re
import resource
import socket
from collections.abc import Iterator

import pytest

from tests.abuse.test_22_log_injection import NASTY
from tests.support.running import Client, System, wait_for

CROWD = 10_000
_KILOBYTES = 24  # of memory that a client under test may take
_LINE = re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ postfix/[a-z-]+\[\d+\]: .*$")
MASTER = (
    "127.0.0.1:{port} inet n - n - - smtpd\n"
    "127.0.0.1:{second} inet n - n - 1 postscreen\n"
    "smtpd pass - - n - - smtpd\n"
)  # fmt: skip
MAIN = {
    "postscreen_access_list": "cidr:{{127.9.9.9 permit}}",
    "postscreen_greet_action": "enforce",
    "postscreen_greet_wait": "1s",
    "postscreen_bare_newline_enable": "yes",
    "postscreen_bare_newline_action": "enforce",
    "postscreen_non_smtp_command_enable": "yes",
    "postscreen_non_smtp_command_action": "drop",
    "postscreen_pipelining_enable": "yes",
    "postscreen_client_connection_count_limit": "0",
}


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with System(MAIN, MASTER) as one:
        yield one


def _honest(system: System) -> None:
    with Client(system.second, 20.0, "127.9.9.9") as client:
        assert client.greeting[0] == 220
        client.envelope()
        assert client.say("QUIT")[0] == 221


def _said(system: System, octets: bytes) -> bytes:
    """What is answered to all of this, said at once before the greeting."""
    heard = b""
    with socket.create_connection(("127.0.0.1", system.second), 30) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)
        while more := connection.recv(65536):
            heard += more
    return heard


def _sound(system: System) -> None:
    for line in system.log().split("\n")[:-1]:
        assert _LINE.match(line), repr(line)
        assert line.isprintable(), repr(line)
        assert len(line) < 3000
    assert "panic" not in system.log()
    assert "Traceback" not in system.log()


def test_noise_ends_its_connection_and_nothing_else(system: System) -> None:
    dice = random.Random(5)
    noises = [dice.randbytes(dice.choice((1, 100, 5000, 100_000))) for _ in range(20)]
    noises += [
        b"",
        b"\r\n" * 9000,
        b"\n",
        b"x" * 300_000,
        b"GET / HTTP/1.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ]
    noises += [b"EHLO a\r\nSTARTTLS\r\n" + dice.randbytes(3000), b"EHLO a\r\nMAIL FROM:<" + b"a" * 9000 + b">\r\n"]
    for noise in noises:
        assert len(_said(system, noise)) < 3000
    _honest(system)
    _sound(system)


@pytest.mark.parametrize("name", NASTY)
def test_what_a_client_says_is_no_line_of_the_log(system: System, name: str) -> None:
    bad = NASTY[name]
    said = b'EHLO %b\r\nMAIL FROM:<%b@a.test>\r\nRCPT TO:<%b@b.test>\r\nRCPT TO:<"%b"@b.test>\r\n' % (bad, bad, bad, bad)
    assert b"250 2.1.5" not in _said(system, bad + b": \r\n" + said)
    with socket.create_connection(("127.0.0.1", system.second), 30) as connection:
        reader = connection.makefile("rb")
        while not reader.readline().startswith(b"220 "):
            pass
        with contextlib.suppress(ConnectionError):
            connection.sendall(said + bad + b"\r\nDATA\r\n")
            reader.read()
    _sound(system)


def test_a_crowd_that_says_nothing_is_bounded_in_all_workers_together() -> None:
    """postscreen_pre_queue_limit of two workers is that of one postscreen; whoever is known is served when the crowd has gone."""
    main = {**MAIN, "worker_processes": "2", "postscreen_pre_queue_limit": "40", "postscreen_greet_wait": "60s"}
    with System(main, MASTER) as system, contextlib.ExitStack() as crowd:
        heard = []
        for _ in range(120):
            client = crowd.enter_context(socket.create_connection(("127.0.0.1", system.second), 20))
            heard.append(client.recv(100))
        assert sum(line.startswith(b"220-") for line in heard) == 39
        assert sum(line.startswith(b"421 4.3.2 All screening ports are busy") for line in heard) == 81
        system.logged("entering STRESS mode with")
        crowd.close()
        wait_for(lambda: _is_greeted(system), "room when they have gone", 20)
        _honest(system)


def _is_greeted(system: System) -> bool:
    with socket.create_connection(("127.0.0.1", system.second), 20) as client:
        return client.recv(100).startswith(b"220-")


def test_ten_thousand_at_once_take_little_and_the_honest_are_served() -> None:
    with contextlib.suppress(ValueError):  # only root may have more than there are
        resource.setrlimit(resource.RLIMIT_NOFILE, (4 * CROWD, 4 * CROWD))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    number = min(CROWD, hard // 3)
    main = {**MAIN, "worker_processes": "1", "postscreen_pre_queue_limit": "20000", "postscreen_greet_wait": "600s"}
    with System(main, MASTER) as system:
        _honest(system)
        pid, before = system.supervisor(), _memory(system.supervisor())
        crowd = []
        try:
            for count in range(number):
                source = (f"127.{1 + count // 40_000}.{count // 200 % 200}.{1 + count % 200}", 0)
                crowd.append(socket.create_connection(("127.0.0.1", system.second), 30, source))
            for client in (crowd[0], crowd[-1]):
                assert client.recv(100).startswith(b"220-")
            assert _memory(pid) - before < number * _KILOBYTES
            for _ in range(20):
                _honest(system)
        finally:
            for client in crowd:
                client.close()
        wait_for(lambda: system.log().count("HANGUP") >= number, "the end of the crowd", 60)
        _honest(system)
        _sound(system)


def _memory(pid: int) -> int:
    """KiB of private memory of a process and its children."""
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        pids = [str(pid), *children.read().split()]
    total = 0
    for one in pids:
        with open(f"/proc/{one}/smaps_rollup") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith(("Private_Dirty", "Private_Clean")))
    return total
