"""clamd(8)'s answers: each that it gives, whole and octet by octet; what it never says is no answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.proto.clamd import CHUNK, MOST_OCTETS, Failed, Instream, Reply, Scanned, TooLarge
from gatepost.proto.exchange import Exchange, ProtocolError

ANSWERS: list[tuple[bytes, Reply]] = [
    (b"stream: OK", Scanned()),
    (b"stream: Eicar-Test-Signature FOUND", Scanned("Eicar-Test-Signature")),
    (b"stream: Win.Test.EICAR_HDB-1(44d88612fea8a8f36de82e1278abb02f:68) FOUND", Scanned("Win.Test.EICAR_HDB-1")),
    (b"stream: a\x1b[2J\xff FOUND", Scanned("a?[2J?")),
    (b"instream(local): Eicar FOUND", Scanned("Eicar")),
    (b"instream(127.0.0.1@3310): Eicar FOUND", Scanned("Eicar")),
    (b"INSTREAM size limit exceeded. ERROR", TooLarge()),
    (b"stream: Can't allocate memory ERROR", Failed("Can't allocate memory")),
    (b"COMMAND READ TIMED OUT. ERROR", Failed("COMMAND READ TIMED OUT")),
    (b"ERROR", Failed("no reason given")),
]


def instream() -> Instream:
    return Instream(lambda: ())


def feed(exchange: Exchange[Reply], octets: bytes, size: int) -> None:
    for at in range(0, len(octets), size):
        exchange.feed(octets[at : at + size])


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(("line", "reply"), ANSWERS)
def test_answers(line: bytes, reply: Reply, size: int) -> None:
    exchange = instream()
    feed(exchange, line + b"\0", size)
    assert (exchange.done, exchange.answer, exchange.reusable) == (True, reply, False)


@pytest.mark.parametrize("line", [b"stream: OK\n", b"stream: Eicar FOUND"])
def test_it_may_close_behind_the_line(line: bytes) -> None:
    exchange = instream()
    exchange.feed(line)
    assert not exchange.done
    exchange.ended()
    assert exchange.done


@pytest.mark.parametrize("part", [b"", b"stream: ", b"stream: Eicar", b"stream: O"])
def test_half_a_line_is_no_answer(part: bytes) -> None:
    exchange = instream()
    exchange.feed(part)
    exchange.ended()
    assert not exchange.done


@pytest.mark.parametrize(
    "line", [b"", b"OK", b"stream: ok", b"stream: OK ", b"stream:  FOUND", b"stream: NOTFOUND", b"PONG", b"a: OK", b"1: stream: OK"]
)
def test_what_it_never_says(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        instream().feed(line + b"\0")


@given(st.binary(max_size=200))
def test_nothing_but_its_own_words_is_clean(octets: bytes) -> None:
    exchange = instream()
    try:
        exchange.feed(octets)
        exchange.ended()
    except ProtocolError:
        return
    assert not exchange.done or exchange.answer != Scanned() or octets.startswith(b"stream: OK")


def test_garbage_is_bounded() -> None:
    with pytest.raises(ProtocolError):
        feed(instream(), b"x" * (MOST_OCTETS + 1000), 1000)


def test_the_stream_in_chunks() -> None:
    pieces = list(Instream(lambda: (b"abc", b"", b"x" * (CHUNK + 1))).question())
    assert pieces[0] == b"zINSTREAM\0"
    assert b"".join(pieces[1:]) == b"\0\0\0\3abc" + b"\0\1\0\0" + b"x" * CHUNK + b"\0\0\0\1x" + b"\0\0\0\0"


def test_each_try_sends_all_of_it() -> None:
    exchange = Instream(lambda: iter((b"abc",)))
    assert list(exchange.question()) == list(exchange.question())
