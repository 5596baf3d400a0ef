"""Addresses in internal and external form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.mail.address import external, internal


@pytest.mark.parametrize(
    ("text", "address"),
    [("a@b", "a@b"), ('"q r"@d', "q r@d"), ('"a\\"b\\\\"@d', 'a"b\\@d'), ('"half@d', '"half@d'), ("", ""), ('"x y"', "x y")],
)
def test_internal(text: str, address: str) -> None:
    assert internal(text) == address


@given(st.text())
def test_what_is_quoted_is_unquoted(address: str) -> None:
    assert internal(external(address)) == address
