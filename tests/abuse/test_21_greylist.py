"""Classes 7, 15, 19, 21 and 22 for greylisting: octets that are meant for somebody else's parser, floods, noise at the service."""

import os
import random
import re
import smtplib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running import System, wait_for

_LINE = re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ postfix/[a-z-]+\[\d+\]: .*$")
HOSTILE = (
    "a\x00b", "%s%r%t", "'; DROP TABLE entry; --", "../../etc/passwd", "a/b/c//", "\x1b[2J", "x" * 60000, "\udcff\udcfe",
    "(" * 2000, "a" * 3000 + "@" + "b." * 3000, "prvs=" * 4000, "+" * 9000, "1-" * 9000, "=" * 9000, "\u202e\u2028", "action=DUNNO",
)  # fmt: skip


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    main = {
        "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
        "smtpd_recipient_restrictions": "check_greylist",
        "smtpd_error_sleep_time": "0",
        "smtpd_hard_error_limit": "1000",
        "smtpd_peername_lookup": "no",
        "mydestination": "example.net",
        "local_recipient_maps": "",
        "local_transport": "discard",
        "greylist_text": "Greylisted: %r",
        "worker_processes": "1",
    }
    master = "127.0.0.1:{port} inet n - n - - smtpd\n127.0.0.1:{second} inet n - n - - greylist\n"
    with System(main, master) as one:
        yield one


class Asker:
    """One connection to the service."""

    def __init__(self, system: System) -> None:
        self._socket = socket.create_connection(("127.0.0.1", system.second), 30)
        self._file = self._socket.makefile("rb")

    def ask(self, **attributes: str) -> bytes:
        request = {
            "request": "smtpd_access_policy",
            "client_address": "192.0.2.1",
            "sender": "a@b.test",
            "recipient": "a@example.net",
        }
        lines = "".join(f"{name}={value}\n" for name, value in (request | attributes).items())
        self._socket.sendall(lines.encode("utf-8", "surrogateescape") + b"\n")
        answer = self._file.readline()
        assert self._file.readline() == b"\n"
        return answer


@pytest.mark.parametrize("name", ["sender", "recipient", "client_address", "client_name", "helo_name", "instance"])
def test_hostile_octets_are_a_key_like_any_other(system: System, name: str) -> None:
    asker = Asker(system)
    for text in HOSTILE:
        answer = asker.ask(**{name: text})
        assert answer.startswith((b"action=DEFER_IF_PERMIT Greylisted:", b"action=DUNNO\n")), text
        assert answer.count(b"\n") == 1
        assert len(answer) < 70000
    for line in system.log().splitlines():
        assert _LINE.match(line), line
        assert len(line) < 3000
        assert "\x1b" not in line
        assert line.isprintable()


def test_an_smtp_client_chooses_what_it_likes(system: System) -> None:
    for sender in ('"%s%r/\\"@x.test', "a=b+c/d@x.test", '"\\\x7f"@x.test', "1-2-3@[192.0.2.1]", f"{'a' * 64}@{'b.' * 60}test"):
        with smtplib.SMTP("127.0.0.1", system.port, timeout=30) as client:
            client.ehlo("%s.%r.test")
            client.docmd("MAIL", f"FROM:<{sender}>")
            code, _ = client.docmd("RCPT", "TO:<%s+%r@example.net>")
            assert code in (450, 501, 503, 553), (sender, code)


def test_noise_at_the_port_ends_its_connection_and_nothing_else(system: System) -> None:
    dice = random.Random(7)
    known = Asker(system)
    assert known.ask().startswith(b"action=")
    noises = [dice.randbytes(dice.choice((1, 100, 5000))) for _ in range(60)]
    noises += [b"\n" * 50, b"request=x\n\n", b"x" * 200_000, b"GET / HTTP/1.0\r\n\r\n", b"request=smtpd_access_policy\n" * 9000]
    for noise in noises:
        with socket.create_connection(("127.0.0.1", system.second), 30) as s:
            try:
                s.sendall(noise)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except ConnectionError:
                pass
    assert known.ask().startswith(b"action=")
    assert "panic" not in system.log()


def test_a_request_without_anything_is_answered(system: System) -> None:
    with socket.create_connection(("127.0.0.1", system.second), 30) as s:
        s.sendall(b"request=smtpd_access_policy\n\n")
        assert s.makefile("rb").readline() == b"action=DUNNO\n"


def test_a_flood_of_one_sender_is_small_and_soon_forgotten(system: System) -> None:
    asker = Asker(system)
    for number in range(1500):
        asker.ask(sender=f"{'long' * 400}-x{number}y@flood.test")
    file = Path(system.folder) / "data" / "state" / "state.sqlite"
    assert wait_for(lambda: file.exists() and file.stat().st_size, "the store") < 4 << 20
    assert system.command("greylist", "forget", "--all").returncode == 0


def test_a_store_that_cannot_be_written_puts_mail_off_and_recovers(system: System) -> None:
    folder = Path(system.folder) / "data" / "state"
    asker = Asker(system)
    asker.ask(sender="before@broken.test")
    away = folder.with_name("away")
    folder.rename(away)
    folder.write_text("no folder")
    try:

        def put_off() -> bool:
            return b"Greylisting is unavailable" in asker.ask(sender=f"x{os.urandom(4).hex()}y@broken.test")

        wait_for(put_off, "greylist_default_action")
        with smtplib.SMTP("127.0.0.1", system.port, timeout=30) as client:
            client.ehlo("client.test")
            client.mail("a@broken.test")
            code, text = client.rcpt("a@example.net")
            assert (code, b"Greylisting is unavailable" in text) == (450, True)
        warned = [line for line in system.log().splitlines() if "postfix/state[" in line and "warning" in line]
        assert len(warned) == 1, warned
        system.logged("action=fail, reason=state store unavailable")
    finally:
        folder.unlink()
        away.rename(folder)
    wait_for(lambda: b"Greylisted" in asker.ask(sender="after@broken.test"), "recovery without a restart")
    assert "Traceback" not in system.log()
