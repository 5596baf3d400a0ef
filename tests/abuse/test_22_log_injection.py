"""Log and header injection: whatever a client says, the log has one line per event, without control characters."""

import re
from collections.abc import Iterator

import pytest

from tests.support.running import System, wait_for
from tests.support.sink import Sink

NASTY = {
    "ESC": b"x\x1b[2J\x1b]0;pwned\x07y",
    "CR": b"x\rNov 24 00:00:00 mail postfix/smtpd[1]: forged",
    "bare LF": b"x\nNov 24 00:00:00 mail postfix/smtpd[1]: forged",
    "NUL": b"x\0y",
    "DEL and C1": b"x\x7f\x9b31my",
    "bad UTF-8": b"x\xff\xfe\xc0\x80y",
    "line separators": "x\u2028\u0085\u202ey".encode(),
    "format": b"%s%n%x{0}{0.__class__}$(id)`id`",
    "long": b"z" * 1500,
}
_LINE = re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ postfix/[a-z-]+\[\d+\]: .*$")


@pytest.fixture(scope="module")
def system(sink: Sink) -> Iterator[System]:
    main = {
        "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
        "smtpd_hard_error_limit": "1000",
        "smtpd_error_sleep_time": "0",
        "smtpd_forbid_bare_newline": "normalize",
        "smtpd_forbid_unauth_pipelining": "no",
        "header_checks": "regexp:{dir}/header_checks",
    }
    one = System(main, relay=sink.port)
    (one.folder / "header_checks").write_text("/^Subject:/ WARN\n")
    with one:
        yield one


def _sound(log: str) -> None:
    for line in log.split("\n")[:-1]:
        assert _LINE.match(line), repr(line)
        assert not re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202e]", line), repr(line)


@pytest.mark.parametrize("name", NASTY)
def test_commands_and_addresses(system: System, name: str) -> None:
    bad = NASTY[name]
    with system.client() as client:
        for line in (
            b"EHLO " + bad,
            b"HELO " + bad,
            b"MAIL FROM:<" + bad + b"@example.com>",
            b'MAIL FROM:<"' + bad + b'"@example.com>',
            b"RSET",
            b"MAIL FROM:<a@example.com> SIZE=1 BODY=" + bad,
            b"MAIL FROM:<a@example.com> ENVID=+0D+0Aforged",
            b"MAIL FROM:<a@example.com>",
            b"RCPT TO:<" + bad + b"@example.net>",
            b'RCPT TO:<"' + bad + b'"@example.net>',
            b"RCPT TO:<b@example.net> ORCPT=rfc822;" + bad,
            b"VRFY " + bad,
            bad,
            b"XCLIENT NAME=" + bad.hex().encode() + b" HELO=+0D+0Aforged LOGIN=+1B+0A",
        ):
            client.write(line + b"\r\n")
        client.write(b"QUIT\r\n")
        client.all_replies()
    wait_for(lambda: system.log().endswith("\n"), "whole lines")
    _sound(system.log())


@pytest.mark.parametrize("name", NASTY)
def test_headers(system: System, sink: Sink, name: str) -> None:
    """A matched header is logged, and Message-Id always is."""
    before = len(sink.taken)
    bad = NASTY[name].replace(b"\n", b"\r\n ")
    with system.client() as client:
        client.envelope()
        assert client.say("DATA")[0] == 354
        client.write(b"Subject: " + bad + b"\r\nMessage-Id: <" + bad + b"@x>\r\n\r\nbody\r\n.\r\n")
        code, _ = client.reply()
    if code == 250:
        wait_for(lambda: len(sink.taken) > before, "the message")
    _sound(system.log())


def test_replies_of_next_hops(system: System, sink: Sink) -> None:
    sink.answers = {"RCPT": b"550-5.1.1 x\x1b[2J\r\n550 5.1.1 y\rNov 24 forged \xff\x00\r\n"}
    try:
        assert system.send("Subject: x\r\n\r\n", sender="", to="refused@example.net")
        system.logged("refused@example.net", "status=bounced")
    finally:
        sink.answers = {}
    _sound(system.log())


def test_names_by_xclient(system: System) -> None:
    """What a PTR record could say: XCLIENT stands in for the name service."""
    with system.client() as client:
        client.say("EHLO x.example")
        for value in ("evil+0Aname", "evil+1B[31mname", "evil+00name", "+C2+85.example"):
            client.say(f"XCLIENT NAME={value} ADDR=192.0.2.1")
            client.say("EHLO x.example")
            client.say("MAIL FROM:<a@example.com>")
            client.say("RCPT TO:<b@example.net>")
    _sound(system.log())
