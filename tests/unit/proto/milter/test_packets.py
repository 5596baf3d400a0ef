"""Packets: framed whole, whatever pieces they come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.proto.exchange import ProtocolError
from gatepost.proto.milter.packets import LIMIT, Reader, packet, split_strings, strings

PACKETS = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=6)


@given(packets=PACKETS, cuts=st.lists(st.integers(0, 300), max_size=8))
def test_packets_come_out_as_they_went_in_however_they_are_cut(packets: list[tuple[int, bytes]], cuts: list[int]) -> None:
    octets = b"".join(packet(letter, data) for letter, data in packets)
    places = sorted(cut % (len(octets) + 1) for cut in cuts)
    reader, seen = Reader(), []
    for start, end in zip([0, *places], [*places, len(octets)], strict=True):
        seen += reader.feed(octets[start:end])
    assert seen == packets
    assert not reader.pending


def test_a_part_of_a_packet_is_pending() -> None:
    reader = Reader()
    assert reader.feed(packet(99, b"abc")[:-1]) == []
    assert reader.pending


@pytest.mark.parametrize("length", [0, LIMIT + 1, 0xFFFFFFFF])
def test_a_packet_of_no_octets_or_too_many_is_an_error_at_once(length: int) -> None:
    with pytest.raises(ProtocolError, match=f"a packet of {length} octets"):
        Reader().feed(length.to_bytes(4, "big"))


@given(texts=st.lists(st.binary(max_size=20)))
def test_strings_have_no_nul_but_at_their_end(texts: list[bytes]) -> None:
    assert split_strings(strings(texts)) == [text.replace(b"\0", b" ") for text in texts]


def test_a_string_without_end_is_an_error() -> None:
    with pytest.raises(ProtocolError):
        split_strings(b"abc\0de")
