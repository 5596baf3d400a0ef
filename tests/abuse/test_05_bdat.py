"""The state machine of BDAT (CVE-2017-16943, -16944): no order of chunks, sizes and interruptions confuses it."""

from collections.abc import Iterator

import pytest

from tests.support.running import Client, System, wait_for
from tests.support.sink import Sink


@pytest.fixture(scope="module")
def system(sink: Sink) -> Iterator[System]:
    with System({"message_size_limit": "2000", "smtpd_timeout": "5s"}, relay=sink.port) as one:
        yield one


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    with system.client() as one:
        yield one


HEAD = b"Subject: chunks\r\n\r\n"


def _still_works(client: Client) -> None:
    """The session takes a message as if nothing had been."""
    assert client.say("RSET")[0] == 250
    client.envelope()
    client.write(b"BDAT %d LAST\r\n" % len(HEAD) + HEAD)
    assert client.reply()[0] == 250


def test_empty_chunks(client: Client) -> None:
    """One that is not the last is refused, and all chunks after it up to the last, as by Postfix."""
    client.envelope()
    assert client.say("BDAT 0")[0] == 551
    assert client.say("BDAT 0")[0] == 551
    assert client.say("BDAT 0 LAST")[0] == 551
    client.envelope()
    assert client.say("BDAT 0 LAST")[0] == 250
    _still_works(client)


_HUGE = ["9223372036854775808", "18446744073709551617", "99999999999999999999999"]


@pytest.mark.parametrize("size", [*_HUGE, "-1", "1e3", "0x10", "", "LAST", "+5", "5 FIRST", "5 LAST x", "٣"])
def test_sizes_that_are_none(system: System, size: str) -> None:
    with system.client() as client:
        client.envelope()
        code, _ = client.say(f"BDAT {size}")
        assert code // 100 == 5, code


def test_before_mail(client: Client) -> None:
    client.say("EHLO client.example.com")
    client.write(b"BDAT 5 LAST\r\nNOOP\r")
    assert client.reply()[0] == 503
    _still_works_if_open(client)


def test_before_rcpt(client: Client) -> None:
    client.say("EHLO client.example.com")
    assert client.say("MAIL FROM:<a@example.com>")[0] == 250
    client.write(b"BDAT 6 LAST\r\nNOOP\r\n")
    assert client.reply()[0] in (503, 554)
    _still_works_if_open(client)


def _still_works_if_open(client: Client) -> None:
    """Refused chunks are read and dropped, or the connection is closed; they are never commands."""
    code, text = client.say("NOOP")
    assert code in (250, 0, 421), (code, text)
    if code == 250:
        assert client.say("QUIT")[0] == 221


def test_data_after_bdat(client: Client) -> None:
    client.envelope()
    client.write(b"BDAT %d\r\n" % len(HEAD) + HEAD)
    assert client.reply()[0] == 250
    assert client.say("DATA")[0] == 503
    _still_works(client)


def test_mail_and_rcpt_after_bdat(client: Client) -> None:
    client.envelope()
    client.write(b"BDAT 2\r\nab")
    assert client.reply()[0] == 250
    assert client.say("RCPT TO:<c@example.net>")[0] == 503
    assert client.say("MAIL FROM:<c@example.net>")[0] == 503
    _still_works(client)


def test_rset_forgets_chunks(client: Client, sink: Sink) -> None:
    client.envelope()
    client.write(b"BDAT 9\r\nforgotten")
    assert client.reply()[0] == 250
    _still_works(client)
    wait_for(lambda: sink.taken, "a message")
    assert not sink.count(b"forgotten")


def test_commands_inside_a_chunk_are_content(client: Client, sink: Sink) -> None:
    content = HEAD + b"RSET\r\nQUIT\r\n.\r\nMAIL FROM:<x@example.com>\r\n"
    client.envelope()
    client.write(b"BDAT %d LAST\r\n" % len(content) + content)
    assert client.reply()[0] == 250
    wait_for(lambda: sink.count(b"RSET\r\nQUIT\r\n..\r\nMAIL"), "the commands, as content")
    _still_works(client)


def test_a_dot_line_ends_nothing(client: Client) -> None:
    client.envelope()
    client.write(b"BDAT 5\r\n\r\n.\r\n")
    assert client.reply()[0] == 250
    assert client.say("BDAT 0 LAST")[0] == 250
    assert client.say(".")[0] in (221, 500)


def test_too_short_then_gone(system: System, sink: Sink) -> None:
    with system.client() as client:
        client.envelope()
        client.write(b"BDAT 1000 LAST\r\nX-Id: too-short\r\n\r\n")
    system.logged("lost connection after BDAT")
    assert "too-short" not in sink.ids()


def test_too_short_then_silence(system: System) -> None:
    with system.client() as client:
        client.envelope()
        client.write(b"BDAT 1000 LAST\r\nX-Id: silent\r\n\r\n")
        assert client.reply()[0] in (0, 421)
    system.logged("timeout after BDAT")


def test_larger_than_the_limit(client: Client) -> None:
    client.envelope()
    codes = []
    for _ in range(5):
        client.write(b"BDAT 900\r\n" + b"x" * 898 + b"\r\n")
        codes.append(client.reply()[0])
    assert codes[:2] == [250, 250]
    assert 552 in codes or 521 in codes, codes


def test_a_huge_announced_chunk_is_refused_or_dropped_without_memory(system: System) -> None:
    before = system.resident()
    with system.client() as client:
        client.envelope()
        client.write(b"BDAT 2000000000 LAST\r\n" + b"x" * 3_000_000)
        assert system.resident() - before < 30_000_000
