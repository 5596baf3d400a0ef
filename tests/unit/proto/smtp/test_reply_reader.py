"""Replies as servers really send them, and as they should not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.proto.smtp.reply_reader import LINE_LIMIT, LINES_LIMIT, MalformedReply, Odd, ReplyReader


@pytest.mark.parametrize(
    ("octets", "code", "text", "enhanced"),
    [
        (b"250 2.1.0 Ok\r\n", 250, "250 2.1.0 Ok", "2.1.0"),
        (b"250 Ok\n", 250, "250 Ok", ""),
        (b"250\r\n", 250, "250", ""),
        (b"550 4.1.1 mixed up\r\n", 550, "550 4.1.1 mixed up", ""),
        (b"550-5.1.1 first\r\n550 5.1.2 last\r\n", 550, "550-5.1.1 first 550 5.1.2 last", "5.1.2"),
        (b"250-a\r\n550 b\r\n", 550, "250-a 550 b", ""),
        (b"550 5.7.1\r\n", 550, "550 5.7.1", "5.7.1"),
        (b"550 5.7.1234 x\r\n", 550, "550 5.7.1234 x", ""),
        (b"550    5.1.1  x\r\n", 550, "550    5.1.1  x", "5.1.1"),
        (b"550 5.1.1 a\0b\r\n", 550, "550 5.1.1 a", "5.1.1"),
        (b"250 ok\r\r\r\n", 250, "250 ok", ""),
        (b"250 caf\xc3\xa9 \xff\x07\r\n", 250, "250 café ??", ""),
    ],
)
def test_replies(octets: bytes, code: int, text: str, enhanced: str) -> None:
    (reply,) = ReplyReader().feed(octets)
    assert (reply.code, reply.text, reply.enhanced) == (code, text, enhanced)


@pytest.mark.parametrize(
    "noise", [b"hello", b"25 ok", b"2500 ok", b"", b"250_ok", b"\xff\x00\x07", b"\xb2\xb3\xb9 superscripts", b"\t250 x"]
)
def test_what_is_no_reply_is_read_past(noise: bytes) -> None:
    reader = ReplyReader()
    assert reader.feed(noise + b"\r\n") == []
    assert not reader.empty
    (reply,) = reader.feed(b"550 5.7.1 no\r\n")
    assert (reply.code, reply.enhanced, reply.lines) == (550, "5.7.1", (b"5.7.1 no",))
    assert reply.text.endswith("550 5.7.1 no")
    assert reader.empty
    assert [odd.kind for odd in reader.oddities] == [Odd.NOISE]


def test_noise_within_a_reply_offers_nothing() -> None:
    (reply,) = ReplyReader().feed(b"250-mx\r\nfoo STARTTLS\r\n250 SIZE\r\n")
    assert reply.lines == (b"mx", b"SIZE")


def test_long_line_is_cut_and_the_next_reply_is_read() -> None:
    reader = ReplyReader()
    replies = []
    for _ in range(50):
        replies += reader.feed(b"250 " + b"x" * 1000)
    replies += reader.feed(b"\r\n354 go\r\n")
    assert [reply.code for reply in replies] == [250, 354]
    assert len(replies[0].text) <= LINE_LIMIT
    assert reader.empty


def test_long_reply_is_cut() -> None:
    reader = ReplyReader()
    (reply,) = reader.feed(b"250-" + b"x" * 100 + b"\r\n" + (b"250-" + b"y" * 1000 + b"\r\n") * 100 + b"250 end\r\n")
    assert len(reply.text) < 2 * LINE_LIMIT
    assert reply.last == "250 end"
    assert [odd.kind for odd in reader.oddities] == [Odd.LONG_REPLY]


def test_what_is_told_of_a_reply_is_bounded() -> None:
    reader = ReplyReader()
    reader.feed(b"noise\r\n" * (LINES_LIMIT - 1))
    assert len(reader.oddities) < 20


@pytest.mark.parametrize("line", [b"250-x\r\n", b"noise\r\n", b"\n"])
def test_endless_reply_is_given_up(line: bytes) -> None:
    reader = ReplyReader()
    with pytest.raises(MalformedReply, match="without end"):
        for _ in range(LINES_LIMIT):
            reader.feed(line * 10)


@given(st.lists(st.integers(1, 40), max_size=30))
def test_splitting(sizes: list[int]) -> None:
    octets = b"250-a\r\n250 b\r\n354 go\r\n550 5.1.1 no\r\n"
    reader = ReplyReader()
    replies = []
    for size in sizes:
        replies += reader.feed(octets[:size])
        octets = octets[size:]
    replies += reader.feed(octets)
    assert [reply.text for reply in replies] == ["250-a 250 b", "354 go", "550 5.1.1 no"]
