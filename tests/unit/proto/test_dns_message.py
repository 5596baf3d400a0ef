"""Questions to a name server and its answers: what is asked, what is read, and what is no reply."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.golden.surroundings import stub

from gatepost.proto import dns_message
from gatepost.proto.dns_message import BadReply, Record, question, read

ZONE = """
a+b.test A 192.0.2.1
a+b.test A 192.0.2.2
a+b.test AAAA 2001:db8::1
a+b.test MX 10 mx.test
a+b.test TXT v=spf1 -all
x=y.test CNAME A+B.test
"""
ASKED = question(7, "a+b.test", "TXT")


def ask(name: str, record: str) -> dns_message.Reply:
    asked = question(513, name, record)
    return read(stub("dns_stub").Zone(ZONE).answer(asked), asked)


def reply(answers: bytes, count: int = 1, flags: int = 0x8180) -> bytes:
    return struct.pack("!6H", 7, flags, 1, count, 0, 0) + ASKED[12:] + answers


@pytest.mark.parametrize(
    ("name", "record", "values"),
    [
        ("a+b.test", "A", ["192.0.2.1", "192.0.2.2"]),
        ("a+b.test", "AAAA", ["2001:db8::1"]),
        ("a+b.test", "MX", [(10, "mx.test")]),
        ("A+b.TEST", "TXT", ["v=spf1 -all"]),
        ("x=y.test", "A", ["192.0.2.1", "192.0.2.2"]),
    ],
)
def test_answers(name: str, record: str, values: list[object]) -> None:
    assert [one.value for one in ask(name, record).found(name, record)] == values


@pytest.mark.parametrize(("name", "code"), [("nowhere.test", dns_message.NO_SUCH_NAME), ("mx+none.test", 3)])
def test_nothing(name: str, code: int) -> None:
    found = ask(name, "A")
    assert (found.code, found.found(name, "A")) == (code, ())


@pytest.mark.parametrize("name", ["", "a..b", "." * 3, "x" * 64 + ".test", ".".join(["x" * 60] * 5), "\u00fc.test"])
def test_what_cannot_be_asked(name: str) -> None:
    with pytest.raises(ValueError):
        question(1, name, "A")


def test_compressed_names_and_records_of_others() -> None:
    text = b"\xc0\x0c" + struct.pack("!HHIH", 16, 1, 60, 6) + b"\x02ab\x02cd"
    other = b"\x01x\xc0\x0c" + struct.pack("!HHIH", 99, 1, 60, 1) + b"?"
    assert read(reply(other + text, 2), ASKED).records == (Record("a+b.test", "TXT", 60, "abcd"),)


@pytest.mark.parametrize(
    "answers",
    [
        b"",
        b"\xc0\x0c",
        b"\xc0\xff",
        b"\xc0" + bytes((len(ASKED),)),  # a pointer to itself
        b"\xc0\x0c" + struct.pack("!HHIH", 16, 1, 60, 9) + b"\x02ab",
        b"\xc0\x0c" + struct.pack("!HHIH", 16, 1, 60, 3) + b"\x09ab",
        b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 3) + b"\x01\x02\x03",
        (b"\x3f" + b"x" * 63) * 5 + b"\0",
        b"\x80",
    ],
)
def test_what_is_no_answer(answers: bytes) -> None:
    with pytest.raises(BadReply):
        read(reply(answers), ASKED)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        ASKED,
        b"\0\x08" + reply(b"", 0)[2:],
        reply(b"", 0)[:20],
        reply(b"", 0).replace(b"a+b", b"a+c"),
        reply(b"", 0)[:-1] + b"\2",
    ],
)
def test_what_replies_to_something_else(message: bytes) -> None:
    with pytest.raises(BadReply):
        read(message, ASKED)


def test_a_reply_that_is_cut_off() -> None:
    cut = reply(b"\xc0", 1, 0x8380)
    assert dns_message.is_truncated(cut) and not dns_message.is_truncated(reply(b""))
    with pytest.raises(BadReply):
        read(cut, ASKED)


def test_what_stands_behind_the_question_is_not_repeated() -> None:
    asked = ASKED[:10] + b"\0\1" + ASKED[12:] + b"\0\0\x29\4\xd0\0\0\x80\0\0\0"  # OPT, with the bit DO
    assert dns_message.is_reply(reply(b"", 0), asked)
    assert not dns_message.is_reply(reply(b"", 0).replace(b"a+b", b"a+c"), asked)


@pytest.mark.parametrize(("code", "said"), [(0, False), (3, False), (2, True), (5, True)])
def test_only_an_error_leaves_the_question_out(code: int, said: bool) -> None:
    message = struct.pack("!6H", 7, 0x8180 | code, 0, 0, 0, 0)
    assert dns_message.is_reply(message, ASKED) is said
    if said:
        assert read(message, ASKED) == dns_message.Reply(code, ())


def test_aliases_in_a_circle() -> None:
    alias = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, 2) + b"\xc0\x0c"
    assert read(reply(alias), ASKED).found("a+b.test", "TXT") == ()


@given(st.binary(max_size=80), st.integers(0, 4))
def test_any_octets(answers: bytes, count: int) -> None:
    try:
        found = read(reply(answers, count), ASKED)
    except BadReply:
        return
    assert len(found.records) <= count
