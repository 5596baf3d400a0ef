"""Mail through a filter before the queue and back: the set-up of docs/proxy-filter.md as it stands, and with Postfix on
either side."""

import re
import shlex
import smtplib
from pathlib import Path

import pytest

from tests.integration.postfix import Postfix
from tests.support.free_ports import free_ports
from tests.support.proxy_filters import VIRUS, PassingFilter
from tests.support.running import MASTER, System, wait_for
from tests.support.sink import Sink

PAGE = Path(__file__).parents[2] / "docs" / "proxy-filter.md"
_MAIL = "Subject: {}\r\n\r\nbody\r\n"
_RE_ENTRY = "smtpd_authorized_xforward_hosts = 127.0.0.0/8\nsmtpd_peername_lookup = no\n"


def _send(port: int, text: str) -> tuple[int, str]:
    """The answer to a message."""
    with smtplib.SMTP("127.0.0.1", port, "client.example", timeout=30) as client:
        client.ehlo()
        client.mail("a@example.com", ["BODY=8BITMIME"])
        client.rcpt("b@example.net")
        code, said = client.data(text)
        return code, said.decode()


def _arrived(sink: Sink, mark: str) -> bytes:
    found = lambda: next((m.content for m in list(sink.taken) if mark.encode() in m.content), b"")  # noqa: E731
    return wait_for(found, f"{mark} relayed")


def test_every_command_of_the_page() -> None:
    """In their order, on ports that are free here; then mail goes round, and a virus goes back to its client."""
    front, entry = free_ports(2)
    commands = [line.strip() for line in PAGE.read_text().splitlines() if re.match(r"    (?:gatepost|postconf) ", line)]
    assert len(commands) == 13
    with Sink() as sink, PassingFilter(entry) as passing, System(relay=sink.port) as system:
        for command in commands:
            command = command.replace("10024", str(passing.port)).replace("10025", str(entry))
            words = shlex.split(
                command.replace("smtp/inet", f"127.0.0.1:{front}/inet").replace("=smtp inet", f"=127.0.0.1:{front} inet")
            )
            done = system.command(*(words[1:] if words[0] == "gatepost" else words))
            assert done.returncode == 0, (command, done.stdout, done.stderr)
        system.command("reload")
        wait_for(lambda: _listens(front) and _listens(entry), "both services")
        code, said = _send(front, _MAIL.format("round"))
        assert (code, "queued as" in said) == (250, True)
        received = _arrived(sink, "Subject: round").count(b"Received: ")
        assert received == 2
        system.logged("proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as ", "from=<a@example.com> to=<b@example.net>")
        system.logged("client=unknown[127.0.0.1], orig_client=unknown[127.0.0.1]")
        assert _send(front, VIRUS.decode() + "\r\n\r\nbody\r\n") == (554, "5.7.1 a virus")
        system.logged("proxy-reject: END-OF-MESSAGE: 554 5.7.1 a virus; ")
        assert system.queue() == []


def _listens(port: int) -> bool:
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=5):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("slowly", ["", " -o smtpd_proxy_options=speed_adjust"])
def test_postfix_takes_back_what_the_filter_lets_through(slowly: str) -> None:
    """And knows whose mail it was."""
    postfix = Postfix(_RE_ENTRY)
    try:
        with PassingFilter(postfix.port) as passing:
            before = f"127.0.0.1:{{second}} inet n - n - - smtpd -o smtpd_proxy_filter=127.0.0.1:{passing.port}{slowly}\n"
            with System({"smtpd_client_port_logging": "no"}, MASTER + before) as system:
                assert _send(system.second, _MAIL.format("through"))[0] == 250
                assert postfix.arrival(b"Subject: through").count(b"Received: ") == 2
                postfix.logged("orig_client=unknown[127.0.0.1]")
                assert any(line.startswith("XFORWARD NAME=[UNAVAILABLE] ADDR=127.0.0.1 PORT=") for line in passing.seen)
    finally:
        postfix.clean()


def test_gatepost_takes_back_what_postfix_gave_the_filter() -> None:
    with Sink() as sink, System({"smtpd_authorized_xforward_hosts": "127.0.0.0/8"}, relay=sink.port) as system:
        with PassingFilter(system.port) as passing:
            postfix = Postfix(f"smtpd_proxy_filter = 127.0.0.1:{passing.port}\n")
            try:
                assert _send(postfix.port, _MAIL.format("back"))[0] == 250
                assert _arrived(sink, "Subject: back").count(b"Received: ") == 2
                system.logged("orig_client=localhost[127.0.0.1]")
            finally:
                postfix.clean()
