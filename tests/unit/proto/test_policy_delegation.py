"""The policy delegation protocol, whole and octet by octet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.proto.policy_delegation import SIZE_LIMIT, ProtocolError, Reader, encode

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="="), min_size=1, max_size=8)
VALUES = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.dictionaries(NAMES, VALUES, min_size=1, max_size=5), max_size=4), st.integers(1, 7))
def test_what_is_sent_is_read_however_it_is_cut(sets: list[dict[str, str]], step: int) -> None:
    wire = b"".join(map(encode, sets))
    reader = Reader()
    read = [each for at in range(0, len(wire), step) for each in reader.feed(wire[at : at + step])]
    assert read == sets
    assert not reader.pending


@given(st.binary(max_size=300))
def test_any_octets_raise_nothing_unknown(octets: bytes) -> None:
    Reader().feed(octets)


def test_a_line_that_is_no_attribute_says_nothing() -> None:
    assert Reader().feed(b"nonsense\naction=DUNNO\n\nnonsense\n\n") == [{"action": "DUNNO"}, {}]


def test_no_end() -> None:
    with pytest.raises(ProtocolError):
        Reader().feed(b"x" * (SIZE_LIMIT + 1))


def test_line_ends_cannot_be_smuggled() -> None:
    assert encode({"sender": "a\n\naction=OK"}) == b"sender=a??action=OK\n\n"
