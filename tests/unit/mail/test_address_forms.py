"""Addresses in internal and external form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.mail.address import all_plain, external, internal


@pytest.mark.parametrize(
    ("text", "address"),
    [("a@b", "a@b"), ('"q r"@d', "q r@d"), ('"a\\"b\\\\"@d', 'a"b\\@d'), ('"half@d', '"half@d'), ("", ""), ('"x y"', "x y")],
)
def test_internal(text: str, address: str) -> None:
    assert internal(text) == address


@given(st.text())
def test_what_is_quoted_is_unquoted(address: str) -> None:
    assert internal(external(address)) == address


_ODD = st.text(st.sampled_from('ab@."\\\n \x07é'), max_size=6)


@given(st.lists(st.one_of(st.just("a.b@c.test"), _ODD), max_size=4))
def test_plain_addresses_are_written_as_they_stand(addresses: list[str]) -> None:
    if all_plain(addresses):
        assert all(external(address) == address and address.isascii() and address.isprintable() for address in addresses)
        assert not any('"' in address or "\\" in address for address in addresses)


def test_usual_addresses_are_plain() -> None:
    """Else nothing would be won."""
    assert all_plain([])
    assert all_plain(["a@b.test", "a.b+c=d@b-c.example", "postmaster", "x'y@z", "a.b.c@d.e.f"])
