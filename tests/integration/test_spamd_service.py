"""Real spamc against a `spamd` line of ours: each of its ways to ask, and what it does where nobody can say anything."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.support.running import MASTER, System

RULES = "body LOUD /LOUD/\nscore LOUD 7\ndescribe LOUD Somebody shouts\nheader QUIET Subject =~ /hello/\nscore QUIET 0.5\n"
HAM = (
    b"Return-Path: <a@example.com>\nX-Spam-Flag: YES\nX-Spam-Status: Yes, forged\n\tby me\nFrom: a@example.com\nSubject: hello\n\n"
    b"X-Spam-Flag: in the body\n"
)
SPAM = HAM.replace(b"in the body", b"LOUD")
LINES = MASTER + "127.0.0.1:{second} inet n - n - - spamd\n  -o filter_tag2_level=5.0\nspamd unix - - n - - spamd\n"
STRANGERS = "127.0.0.1:{third} inet n - n - - spamd\n  -o mynetworks=192.0.2.0/24\n"
REFUSED = 74
"""What `spamc -x` ends with where spamd, real or ours, refuses."""
ALONE = {"filter_rules_directories": "{dir}/rules", "filter_dns_lookups": "no", "message_size_limit": "100000"}


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    one = System(ALONE, LINES + STRANGERS)
    (one.folder / "rules").mkdir()
    (one.folder / "rules" / "local.cf").write_text(RULES)
    with one:
        yield one


def spamc(system: System, message: bytes, *options: str, port: int | None = None) -> tuple[int, bytes]:
    command = ["spamc", "-d", "127.0.0.1", "-p", str(port or system.second), "--connect-retries=1", "--filter-retries=1", *options]
    ended = subprocess.run(command, input=message, capture_output=True, timeout=30, check=False)
    return ended.returncode, ended.stdout


def test_the_score_and_whether_it_is_spam(system: System) -> None:
    assert spamc(system, HAM, "-c") == (0, b"0.5/5.0\n")
    assert spamc(system, SPAM, "-c") == (1, b"7.5/5.0\n")


def test_the_rules_that_hit(system: System) -> None:
    assert spamc(system, SPAM, "-y") == (0, b"LOUD,QUIET")


def test_a_report(system: System) -> None:
    status, said = spamc(system, SPAM, "-R")
    assert status == 0
    assert said.startswith(b'7.5/5.0\nSpam detection software, running on the system "mail.example.test",\nhas identified')
    assert b"\n 7.0 LOUD                   BODY: Somebody shouts\n" in said
    assert b"has NOT identified" in spamc(system, HAM, "-R")[1]
    assert b"has identified" in spamc(system, SPAM, "-r")[1]
    assert b"identified" not in spamc(system, HAM, "-r")[1]


def test_a_message_is_marked_and_forged_marks_go(system: System) -> None:
    status, said = spamc(system, HAM)
    assert status == 0
    assert said == (
        b"Return-Path: <a@example.com>\nX-Spam-Checker-Version: Gatepost 0.1.0 on mail.example.test\nX-Spam-Level: \n"
        b"X-Spam-Status: No, score=0.5 required=5.0 tests=QUIET autolearn=no\n\tautolearn_force=no version=0.1.0\n"
        b"From: a@example.com\nSubject: hello\n\nX-Spam-Flag: in the body\n"
    )


@pytest.mark.parametrize("options", [("-E",), ("-E", "--headers"), ("-E", "-u", "anna")])
def test_spam_is_marked_and_told_by_the_exit_status(system: System, options: tuple[str, ...]) -> None:
    status, said = spamc(system, SPAM, *options)
    assert status == 1
    head, _, body = said.partition(b"\n\n")
    assert body == b"X-Spam-Flag: LOUD\n"
    assert b"\nX-Spam-Flag: YES\nX-Spam-Level: *******\nX-Spam-Status: Yes, score=7.5 required=5.0 tests=LOUD,QUIET " in head
    assert b"\nX-Spam-Report: \n\t*  7.0 LOUD BODY: Somebody shouts\n\t*  0.5 QUIET No description available.\n" in head
    assert b"forged" not in said


def test_over_its_socket(system: System) -> None:
    ended = subprocess.run(
        ["spamc", "-U", str(system.spool / "private" / "spamd"), "-c"], input=SPAM, capture_output=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, b"7.5/6.3\n")


def test_it_is_alive(system: System) -> None:
    assert spamc(system, b"", "-K")[0] == 0


def test_a_message_too_large_stays_as_it_is(system: System) -> None:
    large = SPAM + b"x" * 70 * 3000
    assert spamc(system, large) == (0, large)
    system.logged("message larger than 100000 octets")
    assert spamc(system, large, "-x")[0] == REFUSED


def test_nothing_is_learned_from_strangers(system: System) -> None:
    assert spamc(system, SPAM, "-L", "spam", "-x")[0] == REFUSED


def test_strangers_are_told_nothing(system: System) -> None:
    assert spamc(system, SPAM, port=system.third) == (0, SPAM)
    system.logged("unauthorized connection from 127.0.0.1")


def test_the_log_is_as_that_of_spamd(system: System) -> None:
    spamc(system, SPAM, "-c", "-u", "bertha")
    system.logged("identified spam (7.5/5.0) for bertha in ")
    system.logged("result: Y 7 - LOUD,QUIET scantime=")


def test_a_scanner_that_is_away_is_no_verdict(system: System) -> None:
    (system.spool / "gatepost" / "scanner").rename(system.spool / "gatepost" / "elsewhere")
    try:
        assert spamc(system, SPAM) == (0, SPAM)
        assert spamc(system, SPAM, "-x")[0] == REFUSED
        system.logged("EX_TEMPFAIL")
    finally:
        (system.spool / "gatepost" / "elsewhere").rename(system.spool / "gatepost" / "scanner")
