"""Daemons stopped by garbage: text that stands for no octets, from the wire and from a file that any local user may write.

It is refused where it comes in. A file that fails is set aside with a line that names it; workers live on, no next hop pays for it.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running import System, wait_for
from tests.support.sink import Sink


@pytest.fixture(scope="module")
def gate() -> Iterator[tuple[System, Sink]]:
    with Sink(keywords=(b"PIPELINING", b"8BITMIME", b"SMTPUTF8", b"DSN")) as sink:
        with System({"smtpd_authorized_xforward_hosts": "127.0.0.1", "worker_processes": "1"}, relay=sink.port) as system:
            yield system, sink


_RECIPIENT = {"address": "b@example.net"}
FIELDS: dict[str, dict[str, object]] = {
    "a sender": {"sender": "\ud800@x.example"},
    "a low one": {"sender": "\udc0a@x.example"},
    "a full name": {"fullname": "\ud800"},
    "an envelope id": {"envid": "\udfff"},
    "a recipient": {"recipients": [["\ud800@x.example"]]},
    "an original recipient": {"recipients": [["b@example.net", "\ud800", "rfc822;\ud800"]]},
    "a name that nobody reads": {"\ud800": 1},
    "NUL": {"sender": "a\0@example.com"},
    "a command": {"ret": "FULL\r\nRSET"},
    "a number": {"recipients": [["b@example.net", "", "", 1 << 80]]},
}


def _drop(maildrop: Path, name: str, **fields: object) -> None:
    line = json.dumps({"sender": "a@example.com", "recipients": [["b@example.net"]], **fields}).encode("ascii")
    path = maildrop / name
    path.write_bytes(line + b"\nX-Id: bad\r\n\r\nx\r\n")
    path.chmod(0o644)
    path.rename(path.with_suffix(".msg"))


def test_a_file_of_the_maildrop_is_set_aside_and_the_next_one_taken(gate: tuple[System, Sink]) -> None:
    system, sink = gate
    workers = system.workers()
    for number, fields in enumerate(FIELDS.values()):
        _drop(system.spool / "maildrop", f"bad{number}", **fields)
    sent = system.command("sendmail", "-f", "a@example.com", "b@example.net", input="X-Id: local\n\nbody\n")
    assert sent.returncode == 0, sent.stderr
    wait_for(lambda: sink.ids().get("local"), lambda: system.log()[-5000:])
    wait_for(lambda: not list((system.spool / "maildrop").glob("*.msg")), lambda: system.log()[-5000:])
    log = system.log()
    for name in (f"bad{number}" for number in range(len(FIELDS))):
        (line,) = [line for line in log.splitlines() if f"{name}.msg" in line]
        assert "warning" in line and f"set aside as corrupt/{name}.msg" in line
        assert (system.spool / "corrupt" / f"{name}.msg").exists()
    assert system.workers() == workers
    assert not sink.ids().get("bad")
    assert "panic" not in log


REFUSED = [
    r"ORCPT=utf-8;\x{D800}", r"ORCPT=utf-8;a\x{DFFF}@b", r"ORCPT=utf-8;\x{DC0A}", r"ORCPT=utf-8;\x{110000}", r"ORCPT=utf-8;\x{A}",
    r"ORCPT=utf-8;\x{", r"ORCPT=utf-8;\x{}", "ORCPT=\u00e9;a", "ORCPT=;a",
]  # fmt: skip
TAKEN = [
    r"ORCPT=utf-8;\x{E9}\x{1F600}", "ORCPT=utf-8;\u00e9", "ORCPT=rfc822;+ED+A0+80", "ORCPT=rfc822;+00+0D+0ARSET",
    r"ORCPT=utf-8;\x{2B}+\x{5C}x{D800}",
]  # fmt: skip


def test_original_recipients_from_the_wire_cost_no_next_hop(gate: tuple[System, Sink]) -> None:
    system, sink = gate
    with system.client() as client:
        client.say("EHLO client.example")
        for number, parameter in enumerate([*REFUSED, *TAKEN] * 3):
            wanted = 501 if parameter in REFUSED else 250
            assert client.say("MAIL FROM:<a@example.com> SMTPUTF8 ENVID=+ED+A0+80")[0] in (250, 501)
            client.say("RSET")
            assert client.say("MAIL FROM:<a@example.com> SMTPUTF8")[0] == 250
            code, text = client.say(f"RCPT TO:<b@example.net> {parameter}")
            assert code == wanted, (parameter, text)
            if code == 250:
                assert client.say("DATA")[0] == 354
                assert client.say(f"X-Id: wire-{number}\r\n\r\nx\r\n.")[0] == 250
            client.say("RSET")
    assert system.send("X-Id: after\r\n\r\n")
    wait_for(lambda: sink.ids().get("after"), lambda: system.log()[-5000:])
    wait_for(lambda: sum(key.startswith("wire-") for key in sink.ids()) == len(TAKEN) * 3, lambda: system.log()[-5000:])
    assert "suspended" not in system.log()
    assert "panic" not in system.log()
    assert {line.split(b" ")[0] for line in sink.commands} <= {b"EHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT"}


def test_what_the_client_before_ours_was_called_is_text(gate: tuple[System, Sink]) -> None:
    system, sink = gate
    odd = ["NAME=a+ED+A0+80", "HELO=+00+0D+0A+ED+A0+80+E9", "IDENT=+ED+A0+80", "PORT=\u00b2", "HELO=+", "PROTO=\u0131"]
    with system.client() as client:
        client.say("EHLO client.example")
        for attribute in odd:
            assert client.say(f"XFORWARD {attribute}")[0] in (250, 501)
        assert client.say("MAIL FROM:<a@example.com>")[0] == 250
        assert client.say("RCPT TO:<b@example.net>")[0] == 250
        assert client.say("DATA")[0] == 354
        assert client.say("X-Id: forwarded\r\n\r\nx\r\n.")[0] == 250
    wait_for(lambda: sink.ids().get("forwarded"), lambda: system.log()[-5000:])
    assert "panic" not in system.log()


def test_arguments_of_sendmail_are_octets(gate: tuple[System, Sink]) -> None:
    """What a shell can pass is what goes out."""
    system, sink = gate
    name = os.fsdecode(b"X-\xe9\xff")
    sent = system.command(
        "sendmail", "-F", name, "-f", os.fsdecode(b"\xe9@example.com"), "b@example.net", input="X-Id: octets\n\nx\n"
    )
    assert sent.returncode == 0, sent.stderr
    wait_for(lambda: sink.ids().get("octets"), lambda: system.log()[-5000:])
    (message,) = [message for message in sink.taken if b"X-Id: octets" in message.content]
    assert message.sender.startswith(b"<\xe9@example.com>")
