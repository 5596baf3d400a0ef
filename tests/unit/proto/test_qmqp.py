"""QMQP as a server reads it: netstrings in a netstring, cut anywhere. The texts are Postfix's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.proto.qmqp import Part, QmqpError, QmqpReader, Verdict, reply


def netstring(octets: bytes) -> bytes:
    return b"%d:%b," % (len(octets), octets)


def packet(message: bytes, *addresses: bytes) -> bytes:
    return netstring(netstring(message) + b"".join(map(netstring, addresses)))


def read(octets: bytes, *cuts: int, limit: int = 1000) -> tuple[bytes, QmqpReader]:
    reader, content, at = QmqpReader(limit, 20), b"", 0
    for cut in (*sorted(cuts), len(octets)):
        content += reader.feed(octets[at:cut])
        at = max(at, cut)
    return content, reader


@given(st.binary(max_size=60), st.lists(st.binary(max_size=20), min_size=2, max_size=4), st.lists(st.integers(0, 200)))
def test_what_is_sent_is_read(message: bytes, addresses: list[bytes], cuts: list[int]) -> None:
    content, reader = read(packet(message, *addresses), *cuts)
    assert (content, reader.sender, reader.recipients) == (message, addresses[0], addresses[1:])
    assert reader.part is Part.NOTHING


@given(st.binary(max_size=60))
def test_anything_is_read_or_refused(octets: bytes) -> None:
    try:
        read(octets)
    except QmqpError as error:
        assert str(error).startswith("netstring ")


FORMAT, LENGTH = "netstring format error while receiving ", "netstring length exceeds storage limit while receiving "


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"HELO x\r\n", FORMAT + "QMQP packet header"),
        (b":abc,", FORMAT + "QMQP packet header"),
        (b"12x", FORMAT + "QMQP packet header"),
        (b"-1:", FORMAT + "QMQP packet header"),
        (b"0:,", FORMAT + "message content"),
        (b"9" * 20 + b":", LENGTH + "QMQP packet header"),
        (b"9" * 18, ""),
        (b"10:4:abcd,1:ax,", FORMAT + "sender address"),
        (b"10:40:abcd,1:a,", FORMAT + "message content"),
        (b"9:4:abcdx1:a,", FORMAT + "message content"),
        (packet(b"x"), FORMAT + "sender address"),
        (packet(b"x", b"a@b.test"), ""),  # no recipients: that is for others to say
        (b"7:1:x,1:a,", FORMAT + "sender address"),
        (b"9:1:x,1:a,,", FORMAT + "recipient address"),
        (packet(b"x" * 1001, b"a", b"b"), LENGTH + "message content"),
        (packet(b"x", b"a" * 21, b"b"), LENGTH + "sender address"),
        (packet(b"x", b"a", b"b" * 21), LENGTH + "recipient address"),
    ],
)
def test_what_is_wrong(octets: bytes, told: str) -> None:
    for cuts in ((), range(len(octets))):
        try:
            read(octets, *cuts)
        except QmqpError as error:
            assert str(error) == told
        else:
            assert told == ""


def test_addresses_together_are_bounded() -> None:
    with pytest.raises(QmqpError, match="exceeds storage limit while receiving recipient address"):
        QmqpReader(0, 1 << 20).feed(packet(b"x", *[b"a" * (1 << 20)] * 5))


def test_a_reply() -> None:
    assert reply(Verdict.TAKEN, "Ok: queued as \u00e41") == b"18:KOk: queued as \xc3\xa41,"
