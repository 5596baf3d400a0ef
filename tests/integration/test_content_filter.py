"""The content filter before the queue in a running Gatepost, with real clamd and spamd: what clients hear, and what arrives."""

import json
import smtplib
from collections.abc import Iterator
from importlib.resources import files

import pytest

from gatepost.filter import rules
from tests.integration.clamav import EICAR, ClamAv, base64_part
from tests.integration.clamav import message as mail_of
from tests.integration.spamd import GTUBE, spamd
from tests.integration.system import System
from tests.support.running import free_ports, wait_for

ANNA, LOVER, BLIND = "anna@example.test", "lover@example.test", "blind@example.test"
MAIN = """\
filter_before_queue = yes
filter_tag_level = -99
filter_spam_lovers_maps = inline:{ { lover@example.test = yes } }
filter_bypass_spam_checks_maps = inline:{ { blind@example.test = yes } }
virtual_mailbox_maps = inline:{ { anna@example.test = anna/ }, { lover@example.test = lover/ }, { blind@example.test = blind/ } }
json_log_file = {dir}/log.json
filter_rules_directories = OWN
non_smtpd_milters =
""".replace("OWN", str(files(rules) / "default"))
FORGED = "X-Spam-Flag: NO\r\nX-Spam-Status: No, score=-99\r\nX-Virus-Scanned: by me\r\n"
MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{second} inet n - n - - smtpd -o filter_before_queue=no
pickup unix n - n 60 1 pickup
"""


@pytest.fixture(scope="module")
def scanner() -> Iterator[int]:
    with spamd() as port:
        yield port


@pytest.fixture(scope="module")
def clamav() -> Iterator[ClamAv]:
    one = ClamAv()
    one.start()
    yield one
    one.clean()


@pytest.fixture(scope="module")
def asked(clamav: ClamAv) -> str:
    """Parameters that name clamd."""
    return f"filter_virus_scanner = unix:{clamav.socket}\n"


@pytest.fixture(scope="module")
def one(asked: str) -> Iterator[System]:
    with System(MAIN + asked, MASTER) as system:
        assert said(system, message("first"))[0] == 250  # the scanner has read its rules
        yield system


def said(one: System, text: str, *to: str, sender: str = "a@client.example", port: int = 0) -> tuple[int, str]:
    """What a client hears at the end of a message."""
    with smtplib.SMTP("127.0.0.1", port or one.port, timeout=60) as client:
        client.ehlo("client.example")
        client.mail(sender)
        for recipient in to or (ANNA,):
            assert client.rcpt(recipient)[0] == 250
        code, words = client.data(text)
    return code, words.decode()


def message(mark: str, body: str = "Good morning") -> str:
    return f"{FORGED}From: a@client.example\r\nTo: {ANNA}\r\nSubject: {mark}\r\n\r\n{body}\r\n"


def changed(one: System, main: str) -> None:
    """Have it obey another main.cf."""
    one.change(main)
    before = set(one.workers())
    one.reload()
    wait_for(lambda: one.greets() and not before & set(one.workers()), "workers of the new configuration")


def records(one: System, mark: str) -> list[dict[str, object]]:
    """What the JSON log has of the filter for the message with this Message-Id."""
    lines = [json.loads(line) for line in (one.folder / "log.json").read_text().splitlines()]
    return [line for line in lines if line["type"] == "Filtered" and line["message_id"] == f"<{mark}@client.example>"]


def test_spam_is_refused_at_the_end_of_the_message(one: System) -> None:
    code, words = said(
        one, f"Message-Id: <refused@client.example>\r\n{message('refused', GTUBE)}", ANNA, LOVER.replace("lover", "anna")
    )
    assert code == 554
    queue_id = words.split("id=")[1].split()[0]
    assert words == f"5.7.0 Reject, id={queue_id} - spam"
    line = one.logged("filter[", f"{queue_id}: Blocked SPAM {{RejectedInbound}}, [127.0.0.1] <a@client.example> -> <{ANNA}>")
    assert "GTUBE=" in line
    (told,) = records(one, "refused")
    assert told["action"] == "Blocked"
    assert "GTUBE" in dict(told["tests"])  # type: ignore[call-overload]
    assert float(told["score"]) > 900  # type: ignore[arg-type]
    assert one.queue() == []


@pytest.mark.parametrize("body", [EICAR.decode(), f"Good morning\r\n{EICAR.decode()}\r\n{GTUBE}"])
def test_a_virus_is_refused_and_called_by_its_name(one: System, body: str) -> None:
    code, words = said(one, message("virus", body), ANNA, BLIND)
    assert code == 554
    queue_id = words.split("id=")[1].split()[0]
    assert words == f"5.7.0 Reject, id={queue_id} - INFECTED: Eicar-Anywhere.UNOFFICIAL"
    one.logged("filter[", f"{queue_id}: Blocked INFECTED (Eicar-Anywhere.UNOFFICIAL) {{RejectedInbound}}")


def test_other_mail_arrives_marked_and_without_forged_marks(one: System) -> None:
    assert said(one, message("clean"))[0] == 250
    arrived = one.arrival(b"Subject: clean\n", "anna")
    assert b"by me" not in arrived
    assert b"X-Virus-Scanned: Postfix at example.test\n" in arrived
    assert arrived.count(b"X-Spam-Status: No, score=") == 1
    assert b"score=-99" not in arrived
    assert arrived.index(b"X-Spam-Flag: NO\n") < arrived.index(b"Received:")


def test_recipients_of_one_message_have_what_each_wants(one: System) -> None:
    code, words = said(one, f"Message-Id: <mixed@client.example>\r\n{message('mixed', GTUBE)}", ANNA, LOVER, BLIND)
    assert code == 250, words
    for box in ("lover", "blind"):
        assert b"Subject: ***SPAM*** mixed\n" in one.arrival(b"mixed\n", box)
    assert b"mixed" not in b"".join(one.delivered("anna"))
    assert [(told["action"], told["recipients"]) for told in records(one, "mixed")] == [
        ("Passed", [LOVER, BLIND]),
        ("Blocked", [ANNA]),
    ]
    assert one.audit().returncode == 0
    queue_id = str(records(one, "mixed")[0]["queue_id"])
    one.logged(f"{queue_id}: removed")
    name = str(records(one, "mixed")[1]["quarantined"])
    assert f"X-Quarantine-ID: <{name}>\n".encode() in one.arrival(b"mixed\n", "lover")
    released = one.command("quarantine", "release", name)
    assert released.returncode == 0, released.stderr
    assert b"score=-99" in one.arrival(b"Subject: mixed\n", "anna"), "as it came, and not looked at again"
    assert len(one.delivered("lover")) == 1


def test_who_wants_no_checks_is_asked_for_none(one: System) -> None:
    assert said(one, message("unchecked", GTUBE), BLIND)[0] == 250
    arrived = one.arrival(b"Subject: unchecked\n", "blind")
    assert b"X-Spam-" not in arrived
    assert b"by me" not in arrived


def test_a_service_may_have_no_filter(one: System) -> None:
    assert said(one, message("unfiltered", GTUBE), port=one.second)[0] == 250
    assert b"score=-99" in one.arrival(b"Subject: unfiltered\n", "anna")


def test_a_large_message_is_seen_whole(one: System) -> None:
    lines = "".join(f"Line {number} of a long letter.\r\n" for number in range(12_000))
    assert said(one, message("large", f"{GTUBE}\r\n{lines}"))[0] == 554
    assert said(one, message("large", f"{lines}{EICAR.decode()}"))[0] == 554
    assert said(one, message("large", lines))[0] == 250
    assert one.arrival(b"Subject: large\n", "anna").endswith(b"Line 11999 of a long letter.\n\n")


def test_spam_of_sendmail_is_kept_and_nobody_is_written_to(one: System) -> None:
    text = f"Message-Id: <local@client.example>\nSubject: local\n\n{GTUBE}\n"
    assert one.command("sendmail", "-f", "anna@example.test", ANNA, input=text).returncode == 0
    one.logged("filter[", "Blocked SPAM {QuarantinedInbound}, <anna@example.test>")
    assert said(one, message("after"))[0] == 250
    one.arrival(b"Subject: after\n", "anna")
    assert b"local" not in b"".join(one.delivered("anna"))
    assert one.queue() == []
    assert "anna@example.test" in one.command("quarantine", "list").stdout


def test_files_that_are_not_wanted_are_refused(one: System) -> None:
    code, words = said(one, mail_of(base64_part(b"MZ\x90\0" + bytes(300), "setup.exe")).decode(), ANNA)
    assert code == 554
    assert "BANNED: application/octet-stream,.exe,.exe-ms,setup.exe" in words
    one.logged("filter[", "Blocked BANNED (application/octet-stream,.exe,.exe-ms,setup.exe) {RejectedInbound}")


def test_a_spamd_may_be_asked_instead_and_may_be_away(scanner: int, asked: str, clamav: ClamAv) -> None:
    (nobody,) = free_ports(1)
    away = f"filter_spam_scanner = spamd:127.0.0.1:{nobody}\n"
    with System(MAIN + away, MASTER) as system:
        assert said(system, message("later"))[0] == 451
        system.logged("gate filter: spamd 127.0.0.1", "tempfail")
        assert system.queue() == []
        changed(system, f"{MAIN}{asked}filter_spam_scanner = spamd:127.0.0.1:{scanner}\n")
        assert said(system, message("spam", GTUBE))[0] == 554
        assert said(system, message("later"))[0] == 250
        system.arrival(b"Subject: later\n", "anna")
        changed(system, f"{MAIN}{asked}{away}filter_default_action = accept\n")
        assert said(system, message("accepted"))[0] == 250
        assert b"X-Spam-" not in system.arrival(b"Subject: accepted\n", "anna")
        system.logged("gate filter: spamd 127.0.0.1", "accept")
        # A virus that is there is found, though nobody could look for spam.
        assert said(system, message("virus", EICAR.decode()))[0] == 554
        missing = f"filter_virus_scanner = unix:{clamav.folder}/nobody\nfilter_virus_time_limit = 2s\n"
        scanned = f"{MAIN}filter_spam_scanner = spamd:127.0.0.1:{scanner}\nfilter_default_action = accept\n{missing}"
        changed(system, scanned)
        assert said(system, message("unscanned"))[0] == 451
        changed(system, f"{scanned}filter_virus_unavailable = pass-marked\n")
        assert said(system, message("marked"))[0] == 250
        marked = system.arrival(b"marked\n", "anna")
        assert b"X-Amavis-Alert: UNCHECKED, not scanned for viruses:" in marked
        assert b"X-Virus-Scanned" not in marked
        assert b"Subject: ***UNCHECKED*** marked\n" in marked
