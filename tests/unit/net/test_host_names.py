"""Addresses in the place of host names, as getaddrinfo(3) reads them."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.net.host_names import is_written_address, numeric_address, valid_hostname


@pytest.mark.parametrize(
    ("name", "address", "written"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.000.002.001", "192.0.2.1", True),
        ("010.0.0.1", "8.0.0.1", True),
        ("256.0.0.1", None, False),
        ("127.1", "127.0.0.1", False),
        ("2130706433", "127.0.0.1", False),
        ("0x7f.0.0.1", "127.0.0.1", False),
        ("2001:db8::1", "2001:db8::1", True),
        ("2001:DB8:0::1", "2001:db8::1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1", True),
        ("fe80::1%eth0", None, False),
        ("mx.example", None, False),
        ("dead.beef", None, False),
        ("192.0.2.1 x", None, False),
        ("", None, False),
        ("::", "::", True),
        ("١.٢.٣.٤", None, False),
        ("1.2.3.4\0", None, False),
        ("::1\0", None, False),
        ("::\udcff", None, False),
    ],
)
def test_addresses(name: str, address: str | None, written: bool) -> None:
    assert numeric_address(name) == address
    assert is_written_address(name) is written


@given(st.text(max_size=40) | st.text("0123456789abcdefx.:%", max_size=40))
def test_any_text(name: str) -> None:
    address = numeric_address(name)
    if address is not None:
        family = socket.AF_INET6 if ":" in name else socket.AF_INET
        assert address == socket.getaddrinfo(name, None, family, flags=socket.AI_NUMERICHOST)[0][4][0]
    valid_hostname(name)
