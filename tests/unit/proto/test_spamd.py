"""Answers of spamd, as it writes them and as something else might."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.proto.exchange import ProtocolError
from gatepost.proto.spamd import ANSWER_LIMIT, SpamdAnswer, Symbols, parsed

REAL = b"SPAMD/1.1 0 EX_OK\r\nContent-length: 18\r\nSpam: True ; 1003.3 / 5.0\r\n\r\nGTUBE,MISSING_DATE"


def chunks() -> Iterator[bytes]:
    yield b"Subject: x\r\n"
    yield b"\r\nx\r\n"


def test_a_message_is_shown_whole() -> None:
    asked = b"".join(Symbols(chunks, 17).question())
    assert asked == b"SYMBOLS SPAMC/1.5\r\nContent-length: 17\r\n\r\nSubject: x\r\n\r\nx\r\n"


@pytest.mark.parametrize("size", [1, 7, len(REAL)])
def test_the_answer_comes_in_pieces(size: int) -> None:
    exchange = Symbols(chunks, 17)
    for at in range(0, len(REAL), size):
        assert exchange.feed(REAL[at : at + size]) == b""
        assert not exchange.done
    exchange.ended()
    assert exchange.done
    assert exchange.answer == SpamdAnswer(1003.3, 5.0, ("GTUBE", "MISSING_DATE"))
    assert not exchange.reusable


def test_nothing_may_have_hit() -> None:
    assert parsed(b"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\nSpam: False ; -0.1 / 5.0\r\n\r\n") == SpamdAnswer(-0.1, 5.0, ())


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"", "no answer of a spamd"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "no answer of a spamd"),
        (b"SPAMD/1.0 76 Bad header line: x\r\n", "Bad header line: x"),
        (b"SPAMD/1.1 75 EX_TEMPFAIL\r\n\r\n", "EX_TEMPFAIL"),
        (b"SPAMD/1.1 0 EX_OK\r\n", "cut short"),
        (b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9 / 5\r\n", "cut short"),
        (REAL[:-1], "cut short"),
        (b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9.9.9 / 5\r\n\r\n", "no score"),
        (b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; nan / 5\r\n\r\n", "cut short"),
    ],
)
def test_what_is_no_answer(octets: bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        parsed(octets)


def test_an_answer_has_an_end() -> None:
    exchange = Symbols(chunks, 17)
    with pytest.raises(ProtocolError, match="without end"):
        for _ in range(ANSWER_LIMIT):
            exchange.feed(b"x" * 100)


@given(st.binary(max_size=300))
def test_names_of_rules_are_names(body: bytes) -> None:
    answer = parsed(b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9 / 5\r\n\r\n" + body)
    assert all((name.isascii() and name.isidentifier()) or name[0].isdigit() for name in answer.rules)
