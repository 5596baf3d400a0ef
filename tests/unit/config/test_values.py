"""Typed readings of values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config import values


@pytest.mark.parametrize(("text", "wanted"), [("yes", True), ("NO", False), ("Yes", True)])
def test_boolean(text: str, wanted: bool) -> None:
    assert values.boolean(text) is wanted


@pytest.mark.parametrize(
    ("text", "unit", "wanted"),
    [
        ("300s", "s", 300),
        ("5m", "s", 300),
        ("2d", "s", 172800),
        ("5", "d", 432000),
        ("1w", "s", 604800),
        ("0", "h", 0),
        ("3H", "s", 10800),
    ],
)
def test_seconds(text: str, unit: str, wanted: int) -> None:
    assert values.seconds(text, unit) == wanted


@pytest.mark.parametrize("text", ["", "x", "5y", "-1s", "5 m m", "1.5h", "٣", "9" * 5000, "4000w", "2147483648"])
def test_bad_time(text: str) -> None:
    with pytest.raises(ValueError, match="bad time"):
        values.seconds(text)


@pytest.mark.parametrize(
    "text", ["", "1x", "10k", "0x10", "1 2", "ten", "٣", "9" * 5000, "9223372036854775808", "-9223372036854775808"]
)
@pytest.mark.parametrize("bits", [32, 64])
def test_bad_number(text: str, bits: int) -> None:
    with pytest.raises(ValueError, match="bad numerical"):
        values.integer(text, bits)


@pytest.mark.parametrize("text", ["2147483648", "-2147483649", "9223372036854775807"])
def test_a_number_of_more_than_32_bits(text: str) -> None:
    """As `postmap` says it of line_length_limit, cleanup(8) of header_size_limit; message_size_limit has 64 bits."""
    with pytest.raises(ValueError, match="bad numerical"):
        values.integer(text)
    assert values.integer(text, 64) == int(text)


@pytest.mark.parametrize(("text", "wanted"), [("+5", 5), ("-5", -5), ("0" * 5000, 0), ("2147483647", 2**31 - 1)])
def test_number(text: str, wanted: int) -> None:
    assert values.integer(text) == values.integer(text, 64) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a, b\n c", ["a", "b", "c"]),
        (" ,, ", []),
        ("check { a, b } c", ["check", "{ a, b }", "c"]),
        ("inline:{a=b, {c = d e}}, x", ["inline:{a=b, {c = d e}}", "x"]),
        ("a}b c", ["a}b", "c"]),
        ("{a b", ["{a b"]),
    ],
)
def test_split(text: str, wanted: list[str]) -> None:
    assert values.split(text) == wanted


@given(st.lists(st.text(alphabet="abc:/$", min_size=1)), st.sampled_from([" ", ",", ", ", "\n  "]))
def test_what_is_joined_splits_again(words: list[str], between: str) -> None:
    assert values.split(between.join(words)) == words
