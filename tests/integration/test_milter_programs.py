"""Real filters behind us, all at once: opendkim signs and verifies, rspamd scores, clamav-milter finds a virus."""

import email
import re
import shlex
import smtplib
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from tests.integration.milter_programs import EICAR, GTUBE, ClamavMilter, Opendkim, Program, Rspamd
from tests.support.running import System, wait_for
from tests.support.sink import Sink

MAIL = "From: Alice <a@example.com>\r\nTo: b@example.net\r\nSubject: hello\r\nMIME-Version: 1.0\r\n\r\n{body}\r\n"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Program]]:
    folder = tmp_path_factory.mktemp("filters")
    for one in (folder, *folder.parents[:2]):
        one.chmod(one.stat().st_mode | 0o055)  # one of them may be the system's own
    keys = folder / "keys"
    started: dict[str, Program] = {}
    try:
        started["signer"] = Opendkim(folder / "signer", "s", keys)
        started["verifier"] = Opendkim(folder / "verifier", "v", keys)
        started["rspamd"] = Rspamd(folder / "rspamd")
        started["clamav"] = ClamavMilter(folder / "clamav")
        yield started
    finally:
        for one in started.values():
            one.stop()


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink() as one:
        yield one


@pytest.fixture(scope="module")
def gate(programs: dict[str, Program], sink: Sink) -> Iterator[System]:
    """The first port signs, the second verifies; both scan."""
    scanners = f"{programs['rspamd'].name} {programs['clamav'].name}"
    master = (
        f"127.0.0.1:{{port}} inet n - n - - smtpd\n  -o {{ smtpd_milters={scanners} {programs['signer'].name} }}\n"
        f"127.0.0.1:{{second}} inet n - n - - smtpd\n  -o {{ smtpd_milters={programs['verifier'].name} {scanners} }}\n"
    )
    main = {"non_smtpd_milters": programs["signer"].name, "myhostname": "gate.example.net"}
    with System(main, master, relay=sink.port) as one:
        yield one


def sent(port: int, text: str) -> tuple[int, str]:
    """The reply to the end of a message."""
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.ehlo("client.example.com")
        client.mail("a@example.com")
        client.rcpt("b@example.net")
        code, said = client.data(text.encode())
        return code, said.decode()


def taken(sink: Sink, before: int) -> bytes:
    wait_for(lambda: len(sink.taken) > before, "a message at the next hop", 30)
    return sink.taken[before].content.replace(b"\r\n..", b"\r\n.")


def parsed(content: bytes) -> Message:
    return email.message_from_bytes(content)


def through(gate: System, sink: Sink, port: int, text: str) -> str:
    before = len(sink.taken)
    code, said = sent(port, text)
    assert code == 250, said
    return taken(sink, before).decode()


def test_opendkim_signs_and_verifies(gate: System, sink: Sink) -> None:
    signed = through(gate, sink, gate.port, MAIL.format(body="a line\r\n\r\n.dot\r\ntrailing  \r\n"))
    verified = parsed(through(gate, sink, gate.second, signed).encode())
    assert "dkim=pass" in verified["Authentication-Results"]
    broken = parsed(through(gate, sink, gate.second, signed.replace("a line", "another line")).encode())
    assert "dkim=fail" in broken["Authentication-Results"]


def test_what_we_change_of_a_message_is_signed(gate: System, sink: Sink) -> None:
    """Headers that were missing are there before a filter looks; mail of local programs is signed, too."""
    before = len(sink.taken)
    done = gate.command("sendmail", "-f", "a@example.com", "b@example.net", input="Subject: from here\n\nbody\n")
    assert done.returncode == 0, done.stderr
    signed = taken(sink, before).decode()
    assert "DKIM-Signature" in signed
    assert "dkim=pass" in parsed(through(gate, sink, gate.second, signed).encode())["Authentication-Results"]


def test_rspamd_refuses_spam(gate: System) -> None:
    code, said = sent(gate.port, MAIL.format(body=GTUBE))
    assert (code, said[:5]) == (554, "5.7.1")
    gate.logged("milter-reject: END-OF-MESSAGE from", "5.7.1", "Gtube")


def test_clamav_milter_refuses_a_virus(gate: System, sink: Sink) -> None:
    code, said = sent(gate.port, MAIL.format(body=EICAR))
    assert (code, "Virus found" in said) == (550, True)
    assert "X-Virus-Status: Clean" in through(gate, sink, gate.port, MAIL.format(body="no virus"))


PAGE = Path(__file__).parents[2] / "docs" / "milters.md"


def test_every_command_of_the_page() -> None:
    """In their order, in a system whose clients are elsewhere: no filter is asked."""
    commands = [line.strip() for line in PAGE.read_text().splitlines() if re.match(r"    (?:gatepost|postconf) ", line)]
    assert len(commands) == 6
    with System() as one:
        for command in commands:
            words = shlex.split(command)
            done = one.command(*(words[1:] if words[0] == "gatepost" else words))
            assert done.returncode == 0, (command, done.stderr)
            assert "milter" not in done.stderr
        assert "default_action=accept" in one.command("postconf", "smtpd_milters").stdout
