"""The CRC-32 of two parts, from theirs."""

from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from gatepost.mail.checksum import joined


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_it_is_that_of_the_whole(first: bytes, second: bytes) -> None:
    assert joined(crc32(first), crc32(second), len(second)) == crc32(first + second)


def test_a_long_part() -> None:
    second = bytes(range(256)) * 40_001
    assert joined(crc32(b"head"), crc32(second), len(second)) == crc32(b"head" + second)
