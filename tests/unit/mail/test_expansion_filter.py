"""What of a client's words gets into replies."""

import pytest

from gatepost.mail.expansion_filter import passed


@pytest.mark.parametrize(
    ("value", "expansion_filter", "left"),
    [
        ("a b\tc", "abc", "a_b_c"),
        ("a b\tc", "abc\\40\\t", "a b\tc"),
        ("é", "abc", "__"),
        ("éü", "\\303\\251", "é\udcc3_"),
        ("\udcff", "abc", "_"),
        ("ab ?", "ab\\40\\", "ab _"),  # ends in the midst of an escape
        ("a_", "", "__"),
        ("", "abc", ""),
    ],
)
def test_octets_that_a_filter_does_not_name_are_underscores(value: str, expansion_filter: str, left: str) -> None:
    assert passed(value, expansion_filter) == left
