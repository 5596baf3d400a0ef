"""What a before-queue filter is told, and what is passed on of its replies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.proto.exchange import ProtocolError
from gatepost.proto.smtp.proxy_filter import ATTRIBUTES, Piece, Step, as_command, passed_on, xforward
from gatepost.proto.smtp.replies import wire
from gatepost.proto.smtp.reply_reader import Reply

VALUES = {"NAME": "spike.example", "ADDR": "IPv6:2001:db8::1", "HELO": "a+b c", "SOURCE": "REMOTE"}


def reply(text: bytes) -> Reply:
    """What the filter says."""
    step = Step(b"")
    step.feed(text)
    assert step.done
    return step.answer


def hello(*lines: bytes) -> Reply:
    last = len(lines)
    return reply(b"".join(b"250%b%b\r\n" % (b" " if i == last else b"-", line) for i, line in enumerate((b"filter", *lines))))


def test_it_is_told_what_it_asks_for_in_the_order_of_postfix() -> None:
    everything = hello(b"XFORWARD SOURCE PROTO IDENT HELO PORT ADDR NAME")
    (command,) = xforward(VALUES, everything)
    assert command == (
        b"XFORWARD NAME=spike.example ADDR=IPv6:2001:db8::1 PORT=[UNAVAILABLE] HELO=a+2Bb+20c IDENT=[UNAVAILABLE]"
        b" PROTO=[UNAVAILABLE] SOURCE=REMOTE\r\n"
    )
    assert list(xforward(VALUES, hello(b"xforward name DOMAIN"))) == [b"XFORWARD NAME=spike.example\r\n"]
    assert not list(xforward(VALUES, hello(b"8BITMIME")))
    assert not list(xforward(VALUES, hello(b"XFORWARD")))


@given(st.dictionaries(st.sampled_from(ATTRIBUTES), st.text(min_size=1, max_size=60)))
def test_no_attribute_is_lost_and_no_line_too_long(values: dict[str, str]) -> None:
    commands = list(xforward(values, hello(b"XFORWARD " + " ".join(ATTRIBUTES).encode())))
    words = [word for command in commands for word in command.removesuffix(b"\r\n").split(b" ")[1:]]
    assert [word.partition(b"=")[0].decode() for word in words] == list(ATTRIBUTES)
    assert all(len(command) <= 512 or command.count(b" ") == 1 for command in commands)
    assert all(command.count(b"\n") == 1 for command in commands)


@pytest.mark.parametrize("line", ["MAIL FROM:<a@b>\rRCPT TO:<c@d>", "RCPT TO:<a\0b>", "x\ny", "\udcff\u00fc"])
def test_a_command_is_one_line(line: str) -> None:
    command = as_command(line)
    assert command.endswith(b"\r\n")
    assert not set(command[:-2]) & {0, 10, 13}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"250 2.0.0 ok\r\n", b"250 2.0.0 ok\r\n"),
        (b"250\r\n", b"250 \r\n"),
        (b"550-5.7.1 a\r\n550 5.7.1 b\r\n", b"550-5.7.1 a\r\n550 5.7.1 b\r\n"),
        (b"550-a\r\n550 5.7.1 b\r\n", b"550-a\r\n550 5.7.1 b\r\n"),
        (b"550-5.7.2 a\r\n550 5.7.1 b\r\n", b"550-5.7.2 a\r\n550 5.7.1 b\r\n"),
        (b"noise\r\n550 5.7.1 b\r\n", b"550 5.7.1 b\r\n"),
        (b"250-a\r\n550 b\r\n", b"550-a\r\n550 b\r\n"),
        (b"550 a\x01\xff\r\n", b"550 a??\r\n"),
    ],
)
def test_a_reply_is_passed_on_as_it_is(said: bytes, told: bytes) -> None:
    assert wire(passed_on(reply(said))) == told


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_whatever_it_says_is_a_reply_or_a_failure(pieces: list[bytes]) -> None:
    step = Step(b"DATA\r\n")
    for piece in pieces:
        try:
            step.feed(piece)
        except ProtocolError:
            break
        if step.done:
            octets = wire(passed_on(step.answer))
            assert octets.endswith(b"\r\n")
            assert all(line[:3].isdigit() for line in octets[:-2].split(b"\r\n"))
            break


def test_a_reply_that_comes_with_another_ends_the_conversation() -> None:
    step = Step(b"")
    step.feed(b"220 hello\r\n250 more\r\n")
    assert (step.done, step.reusable) == (True, False)


def test_a_piece_of_content_has_no_answer() -> None:
    piece = Piece(b"octets")
    assert (list(piece.question()), piece.done) == ([b"octets"], True)
    with pytest.raises(ProtocolError):
        Piece(b"").feed(b"250 already\r\n")
