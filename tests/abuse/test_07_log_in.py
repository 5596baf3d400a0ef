"""Log-in (class 7): who says the strangest things to AUTH gets nowhere, holds up nobody, and leaves no secret behind."""

import shutil
import smtplib
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.support.running import System

PASSWORD = "right one!"


class AuthServer:
    """Dovecot's side of its auth protocol: alice has PASSWORD, `dies` makes it hang up in mid-answer, `hangs` is never answered."""

    def __init__(self) -> None:
        self.folder = Path(mkdtemp(prefix="auth-"))
        self.folder.chmod(0o755)
        self.path = self.folder / "auth"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self.path.chmod(0o666)
        self._listener.listen()
        self.lines: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                one = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, one: socket.socket) -> None:
        right = b"resp=" + plain("alice", PASSWORD).encode()
        with one, one.makefile("rb") as lines:
            one.sendall(b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nDONE\n")
            for line in lines:
                self.lines.append(line)
                words = line.rstrip(b"\n").split(b"\t")
                if words[0] == b"AUTH" and words[-1] == b"resp=" + plain("dies", "x").encode():
                    one.sendall(b"OK\t%b\tuser=al" % words[1])
                    return
                if words[0] == b"AUTH" and words[-1].startswith(b"resp="):
                    if words[-1] != b"resp=" + plain("hangs", "x").encode():
                        one.sendall(b"OK\t%b\tuser=alice\n" % words[1] if words[-1] == right else b"FAIL\t%b\n" % words[1])
                elif words[0] == b"AUTH":
                    one.sendall(b"CONT\t%b\t\n" % words[1])
                elif words[0] == b"CONT":
                    one.sendall(b"FAIL\t%b\tuser=x\n" % words[1])

    def stop(self) -> None:
        self._listener.close()
        shutil.rmtree(self.folder)


def plain(user: str, password: str) -> str:
    return b64encode(f"\0{user}\0{password}".encode()).decode()


@pytest.fixture(scope="module")
def server() -> Iterator[AuthServer]:
    one = AuthServer()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def system(server: AuthServer) -> Iterator[System]:
    main = {
        "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": str(server.path),
        "smtpd_relay_restrictions": "permit_sasl_authenticated, reject", "smtpd_hard_error_limit": "1000",
        "smtpd_error_sleep_time": "0", "smtpd_auth_timeout": "2s", "helper_failure_limit": "0",
    }  # fmt: skip
    with System(main) as one:
        yield one


class Wire:
    """A client that says what it likes."""

    def __init__(self, system: System) -> None:
        self._socket = socket.create_connection(("127.0.0.1", system.port), timeout=30)
        self._lines = self._socket.makefile("rb")
        self.code()

    def code(self) -> int:
        while (line := self._lines.readline())[3:4] == b"-":
            pass
        return int(line[:3] or 0)

    def say(self, *lines: str | bytes) -> list[int]:
        """All of them in one piece; the code of each reply."""
        self._socket.sendall(b"".join((line.encode() if isinstance(line, str) else line) + b"\r\n" for line in lines))
        return [self.code() for _ in lines]

    def relays(self) -> bool:
        self.say("RSET")
        return self.say("MAIL FROM:<x@example.com>", "RCPT TO:<y@elsewhere.test>")[1] == 250

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


@pytest.fixture
def wire(system: System) -> Iterator[Wire]:
    one = Wire(system)
    one.say("EHLO x")
    yield one
    one.close()


@pytest.mark.parametrize(
    "said",
    [
        b"AUTH PLAIN AAAA\tuser=root", b"AUTH PLAIN \x01\x02", b"AUTH PLAIN\tAAAA", b"AUTH PLAIN\0AAAA", b"AUTH PLAIN AA\xff\xfe",
        b"AUTH PLAIN " + b"A" * 30000, b"AUTH " + b"X" * 2000, b"AUTH PLAIN\rAAAA", b"AUTH ANONYMOUS", b"AUTH EXTERNAL =",
        b"AUTH XOAUTH2 AAAA",
    ],
)  # fmt: skip
def test_what_is_no_log_in_lets_nobody_in(wire: Wire, said: bytes, server: AuthServer) -> None:
    code = wire.say(said)[0]
    if code == 334:
        code = wire.say("*")[0]
    assert code in (500, 501, 504, 535)
    assert not wire.relays()
    assert not [line for line in server.lines if b"user=root" in line]


def test_mail_that_comes_before_the_answer_is_judged_by_it(wire: Wire) -> None:
    wrong = f"AUTH PLAIN {plain('alice', 'wrong')}"
    assert wire.say(wrong, "MAIL FROM:<x@example.com>", "RCPT TO:<y@elsewhere.test>", "RSET") == [535, 250, 554, 250]
    assert wire.say("AUTH PLAIN", plain("alice", "wrong"), "MAIL FROM:<x@example.com>", "RCPT TO:<y@elsewhere.test>")[2:] == [
        250,
        554,
    ]


def test_half_an_exchange_is_forgotten(system: System, wire: Wire) -> None:
    assert wire.say("AUTH LOGIN") == [334]
    assert wire.say("MAIL FROM:<x@example.com>")[0] == 535  # which is the response, and nothing else
    assert not wire.relays()
    for _ in range(50):
        other = Wire(system)
        other.say("EHLO x", "AUTH LOGIN")
        other.close()
    wire.say("RSET")
    assert wire.say(f"AUTH PLAIN {plain('alice', PASSWORD)}") == [235]


def test_a_response_without_end_is_no_memory(wire: Wire) -> None:
    assert wire.say("AUTH PLAIN") == [334]
    assert wire.say(b"A" * 1_000_000) == [500]
    assert wire.say("NOOP") == [250]


@pytest.mark.parametrize("user", ["dies", "hangs"])
def test_a_server_that_ends_or_hangs_in_mid_answer(system: System, wire: Wire, user: str) -> None:
    assert wire.say(f"AUTH PLAIN {plain(user, 'x')}") == [454]
    assert not wire.relays()
    wire.say("RSET")
    assert wire.say(f"AUTH PLAIN {plain('alice', PASSWORD)}") == [235]


def test_who_hangs_holds_up_nobody(system: System, wire: Wire) -> None:
    slow = [Wire(system) for _ in range(20)]
    for one in slow:
        one._socket.sendall(f"EHLO x\r\nAUTH PLAIN {plain('hangs', 'x')}\r\n".encode())
    assert wire.say(f"AUTH PLAIN {plain('alice', PASSWORD)}") == [235]
    with smtplib.SMTP("127.0.0.1", system.port, timeout=20) as client:
        assert client.noop()[0] == 250
    for one in slow:
        one.close()


def test_no_secret_is_left_behind(system: System, wire: Wire) -> None:
    telling = plain("alice", "never-to-be-seen")
    wire.say(f"AUTH PLAIN {telling}", "AUTH PLAIN", telling, telling, f"AUTH FOO {telling}", f"AUTH PLAIN {telling} x")
    wire.say(f"AUTH PLAIN {plain('alice', PASSWORD)}")
    system.logged("SASL FOO authentication failed")
    assert telling not in system.log() and "never-to-be-seen" not in system.log()
