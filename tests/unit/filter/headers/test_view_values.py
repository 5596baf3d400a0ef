"""Values of headers in UTF-8, and the addresses and the envelope sender that they tell of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.filter.headers.addresses import Mailbox, mailboxes
from gatepost.filter.headers.dates import seconds
from gatepost.filter.headers.encoded_words import decoded
from gatepost.filter.headers.envelope import envelope_sender
from gatepost.filter.headers.section import section
from gatepost.filter.headers.values import text
from gatepost.filter.headers.view import View
from gatepost.filter.port import Relay, Relays, Session

PIECES = (
    b"=?utf-8?q?",
    b"=?x?b?",
    b"?=",
    b"\xc3",
    b"\xa4",
    b"a",
    b" ",
    b"<",
    b">",
    b"@",
    b'"',
    b"(",
    b")",
    b",",
    b":",
    b"\n ",
    b"\0",
)
OCTETS = st.lists(st.sampled_from(PIECES)).map(b"".join)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?a_=C3=A4?= =?iso-8859-1?q?=E4?= x", "a ää x"),
        (b"=?utf-8?q?a=c3?= =?utf-8?q?=a4?=", "aä"),
        (b"=?utf-8?b?w6Q?=", "ä"),
        (b"=?utf-8?q?=ff?=", "\ufffd"),
        (b"=?nobody?q?=e4?=", "ä"),
        (b"\xc3\xa4 \xe4"[:2], "ä"),
        (b"\xe4", "ä"),
        (b"=?shift_jis?B?k/qWe4zq?=", "日本語"),
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
    ],
)
def test_encoded_words_and_octets_of_no_charset(value: bytes, wanted: str) -> None:
    assert decoded(value).decode() == wanted


def test_where_encoded_words_mean_nothing_they_stay() -> None:
    assert text(b"message-id", b" <=?utf-8?q?a?=>") == b"<=?utf-8?q?a?=>"
    assert text(b"subject", b" =?utf-8?q?a?=") == b"a"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b"a@x.example", [(b"a@x.example", None)]),
        (b"'A B' <a@x.example>", [(b"a@x.example", b"A B")]),
        (b"a@x.example (A), B <b@x.example>", [(b"a@x.example", b"A"), (b"b@x.example", b"B")]),
        (b'"b@bank.example" <a@x.example>', [(b"a@x.example", b"b@bank.example")]),
        (b"group: a@x.example;", [(b"a@x.example", None)]),
        (b"A <>", [(None, b"A")]),
        (b"nobody", [(None, b"nobody")]),
        (b"A, B <a@x.example>", [(None, b"A"), (b"a@x.example", b"B")]),
    ],
)
def test_addresses_and_names(value: bytes, wanted: list[tuple[bytes | None, bytes | None]]) -> None:
    assert list(mailboxes(value)) == [Mailbox(*one) for one in wanted]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"Thu, 1 Jan 1970 01:00:10 +0100", 10),
        (b"Thu, 01 Jan 1970 00:00:10 GMT (a comment)", 10),
        (b"31 Dec 69 16:00 PST", 0),
        (b"1 Jan 04 00:00:00 -0000", 1072915200),
        (b"Thu, 32 Foo 1970 00:00:00 +0000", None),
        (b"nonsense", None),
    ],
)
def test_dates(text: bytes, wanted: int | None) -> None:
    assert seconds(text) == wanted


@given(st.binary(max_size=40))
def test_no_octets_break_a_date(text: bytes) -> None:
    seconds(b"1 Jan 2024 " + text)


RECEIVED = b"Received: from a by b\n"
FETCHED = b"Received: from a by b with IMAP (fetchmail-6)\n"


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (b"Return-Path: <r@x.example>\n" + RECEIVED, b"r@x.example"),
        (RECEIVED + b"Return-Path: <r@x.example>\n", None),
        (b"X-Envelope-From: <e@x.example>\nReturn-Path: <r@x.example>\n", b"e@x.example"),
        (RECEIVED + b"X-Envelope-From: <e@x.example>\n", None),
        (b"Return-Path: <>\n", None),
        (FETCHED + b"X-Sender: s@x.example\n", None),
    ],
)
def test_the_envelope_sender_that_headers_tell_of(head: bytes, wanted: bytes | None) -> None:
    assert envelope_sender(section(head + b"\n"), Session(), Relays(), {}) == wanted


def test_who_knows_the_envelope_sender_better() -> None:
    headers = section(b"Return-Path: <r@x.example>\nX-Mine: <m@x.example>\n\n")
    relays = Relays(untrusted=(Relay(envfrom="hop@x.example"),))
    assert envelope_sender(headers, Session(), relays, {}) == b"hop@x.example"
    assert envelope_sender(headers, Session(), relays, {"envelope_sender_header": ("X-Mine",)}) == b"m@x.example"
    assert envelope_sender(headers, Session(sender="session@x.example"), relays, {}) == b"session@x.example"
    assert envelope_sender(headers, Session(sender=""), relays, {}) is None


@given(
    OCTETS, st.sampled_from(["From:addr", "From:name", "From:raw", "From:addr:domain", "From:host", "From:revip", "ALL", "From"])
)
def test_any_octets_give_utf8(value: bytes, name: str) -> None:
    view = View(section(b"From:" + value + b"\n\n"), Relays(), Session())
    found = view.get(name)
    if found is not None and name in ("From", "ALL"):
        found.decode()
