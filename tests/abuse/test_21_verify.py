"""Classes 7, 21 and 22 for address verification: crowds of addresses, local parts that are meant for somebody else's parser."""

import re
import time

from tests.support.running import Client, System
from tests.support.sink import Sink

_MAIN = {
    "relay_domains": "example.net",
    "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
    "smtpd_recipient_restrictions": "reject_unverified_recipient",
    "address_verify_poll_count": "1",
    "address_verify_pending_request_limit": "20",
    "smtp_destination_concurrency_limit": "100",
    "initial_destination_concurrency": "100",
    "smtpd_error_sleep_time": "0",
    "smtpd_soft_error_limit": "1000",
    "smtpd_hard_error_limit": "1000",
    "worker_processes": "1",
}
_LINE = re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ postfix/[a-z-]+\[\d+\]: .*$")
TOO_MANY = "Too many address verification requests"


def come(system: System, address: str) -> Client:
    client = system.client()
    client.say("EHLO proxy.example.com")
    assert client.say(f"XCLIENT ADDR={address} NAME=[UNAVAILABLE]")[0] == 220
    client.say("EHLO client.example.com")
    assert client.say("MAIL FROM:<a@example.com> SMTPUTF8")[0] == 250
    return client


def test_one_that_asks_for_many_addresses_leaves_room_for_others() -> None:
    with Sink(answers={"RCPT": lambda c: time.sleep(60)}) as sink, System(_MAIN, relay=sink.port) as system:
        with come(system, "192.0.2.1") as client:
            told = [client.say(f"RCPT TO:<{n}@example.net>") for n in range(100)]
        assert {code for code, _ in told} == {450}
        assert sum(TOO_MANY in text for _, text in told) == 90
        with come(system, "192.0.2.2") as client:
            told = [client.say(f"RCPT TO:<other{n}@example.net>") for n in range(20)]
        assert sum(TOO_MANY not in text for _, text in told) == 5
        with come(system, "192.0.2.3") as client:
            assert TOO_MANY not in client.say("RCPT TO:<third@example.net>")[1]
        assert system.queue() == []


def test_hostile_local_parts_stay_in_their_command_and_line() -> None:
    hostile = [
        '"a b"', '"a\\"b"', '"a\\\\b"', '"x>RCPT"', '"<y>"', "%s%n", "-oQ/tmp", '"$(id)"', "'or'1'='1", '"|cmd"', '"/etc/passwd"',
        "a*b", '"a,b"', '":include:/etc/passwd"', "grüß", "a" * 64, '"\t"', "=?utf-8?q?x?=", '"a;b"', '" "', '"a@b"',
    ]  # fmt: skip
    main = {**_MAIN, "address_verify_pending_request_limit": "5000", "address_verify_poll_count": "3"}
    sink = Sink(answers={"RCPT": b"550 5.1.1 no\r\n"}, keywords=(b"PIPELINING", b"8BITMIME", b"SMTPUTF8"))
    with sink, System({**main, "allow_min_user": "yes"}, relay=sink.port) as system:
        with come(system, "192.0.2.1") as client:
            codes = [client.say(f"RCPT TO:<{local}@example.net>".encode())[0] for local in hostile]
        assert set(codes) <= {450, 454, 501, 553}
        log = system.log()
    verbs = {line.split(b" ")[0].split(b":")[0] for line in sink.commands}
    assert verbs <= {b"EHLO", b"MAIL", b"RCPT", b"RSET", b"QUIT"}
    asked = [line for line in sink.commands if line.startswith(b"RCPT")]
    assert 10 < len(asked) <= len(hostile)
    assert all(re.fullmatch(rb"RCPT TO:<[^\r\n]*@example\.net>( .*)?", line) for line in asked)
    assert all(_LINE.match(line) for line in log.splitlines()), [line for line in log.splitlines() if not _LINE.match(line)]
    assert sink.taken == []


_REPLIES = (
    b"550 5.1.1 \x1b[31mred\x07 \xff\xfe \x00 nobody\r\n", b"550 " + b"x" * 3000 + b"\r\n",
    b"550-5.1.1 one\r\n550 5.1.1 250 2.1.5 Ok\r\n", b"550 5.1.1 a\n250 b\r\n", b"550 5.1.1 <script>%s%n$(id)\r\n",
    b"garbage\r\n", b"999 no\r\n", b"550\r\n", b"550 5.1.1 \xe2\x80\xa8x\r\n", None,
)  # fmt: skip


def test_what_a_next_hop_says_stays_in_its_reply_and_line() -> None:
    """Kept, told to whoever asks next, and written to the log, it is one line of text."""
    main = {**_MAIN, "address_verify_pending_request_limit": "5000", "address_verify_poll_count": "3"}
    sink = Sink()
    with sink, System(main, relay=sink.port) as system:
        with come(system, "192.0.2.1") as client:
            for number, reply in enumerate(_REPLIES):
                sink.answers = {"RCPT": reply}
                for _ in range(2):
                    code, text = client.say(f"RCPT TO:<n{number}@example.net>")
                    assert code == 450, reply
                    assert text.isprintable() and len(text) < 1500, text
            sink.answers = {}
            assert client.say("RCPT TO:<good@example.net>")[0] == 250
        log = system.log()
    assert all(_LINE.match(line) for line in log.splitlines()), [line for line in log.splitlines() if not _LINE.match(line)]
    assert "Traceback" not in log and "panic" not in log


def test_guesses_at_addresses_take_nothing_from_what_is_known() -> None:
    """One who guesses fills the store with addresses that are none: the good ones stay known, and are not asked for again."""
    main = {**_MAIN, "address_verify_pending_request_limit": "5000", "address_verify_poll_count": "3"}
    sink = Sink(answers={})
    with sink, System(main, relay=sink.port) as system:
        with come(system, "192.0.2.1") as client:
            assert client.say("RCPT TO:<good@example.net>")[0] == 250
            sink.answers = {"RCPT": b"550 5.1.1 no\r\n"}
            assert {client.say(f"RCPT TO:<guess{n}@example.net>")[0] for n in range(500)} == {450}
        with come(system, "192.0.2.2") as client:
            assert client.say("RCPT TO:<good@example.net>")[0] == 250
        assert sum(b"<good@" in line for line in sink.commands) == 1
        assert system.queue() == []
