"""Records of attributes, as Postfix's services send them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.proto.attributes import ProtocolError, Reader, record

_LIMIT = 100_000
_text = st.binary().map(lambda octets: octets.replace(b"\0", b"").decode("utf-8", "surrogateescape"))
_records = st.lists(st.lists(st.tuples(_text.filter(bool), _text)).map(tuple))


@given(_records, st.data())
def test_records_come_out_as_they_went_in_however_they_are_cut(
    records: list[tuple[tuple[str, str], ...]], data: st.DataObject
) -> None:
    wire = b"".join(record(*one) for one in records)
    reader, found = Reader(_LIMIT), []
    while wire:
        size = data.draw(st.integers(1, len(wire)))
        found += reader.feed(wire[:size])
        wire = wire[size:]
    assert found == records
    assert not reader.pending


def test_a_value_adds_no_attribute_of_its_own() -> None:
    assert record(("reason", "x\0recipient\0y")) == b"reason\0x?recipient?y\0\0"


@given(st.binary(max_size=200))
def test_anything_else_is_read_or_refused(octets: bytes) -> None:
    reader = Reader(100)
    try:
        reader.feed(octets)
    except ProtocolError:
        assert len(octets) > 100


@pytest.mark.parametrize("octets", [b"x" * 30, b"name\0" * 6])
def test_a_record_has_an_end(octets: bytes) -> None:
    with pytest.raises(ProtocolError):
        Reader(20).feed(octets)
    piecemeal = Reader(20)
    with pytest.raises(ProtocolError):
        for octet in octets:
            piecemeal.feed(bytes([octet]))


def test_many_short_records_are_none_too_many() -> None:
    assert len(Reader(20).feed(record(("name", "value")) * 100)) == 100
