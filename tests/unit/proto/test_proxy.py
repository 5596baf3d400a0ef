"""The PROXY protocol: both versions, any split, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.proto.proxy import Proxied, ProxyError, ProxyReader

V1 = b"PROXY TCP4 192.0.2.1 198.51.100.2 40000 25\r\n"
_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V2 = _SIGNATURE + b"\x21\x11\x00\x0c" + bytes([192, 0, 2, 1, 198, 51, 100, 2]) + b"\x9c\x40\x00\x19"
_MAPPED = bytes(10) + b"\xff\xff"
V2_LOCAL = _SIGNATURE + b"\x20\x00\x00\x00"
TOLD = Proxied("192.0.2.1", "40000", "198.51.100.2", "25")


@given(st.sampled_from([(V1, TOLD), (V2, TOLD), (V2_LOCAL, None), (b"PROXY UNKNOWN\r\n", None)]), st.integers(1, 60))
def test_any_split(case: tuple[bytes, Proxied | None], size: int) -> None:
    header, told = case
    reader, rest, stream = ProxyReader(), b"", header + b"EHLO x\r\n"
    for start in range(0, len(stream), size):
        part = stream[start : start + size]
        rest += part if reader.done else reader.feed(part)
    assert reader.done
    assert (reader.proxied, rest) == (told, b"EHLO x\r\n")


def test_version_1_of_ipv6() -> None:
    reader = ProxyReader()
    assert reader.feed(b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n") == b""
    assert reader.proxied == Proxied("2001:db8::1", "1", "2001:db8::2", "2")


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 40000 25\r\n",
        b"PROXY TCP6 ::ffff:c000:201 ::FFFF:C633:6402 40000 25\r\n",
        _SIGNATURE + b"\x21\x21\x00\x24" + _MAPPED + V2[16:20] + _MAPPED + V2[20:],
    ],
)
def test_an_ipv4_client_that_came_to_the_proxy_by_ipv6_is_one(header: bytes) -> None:
    """A proxy that listens for both at one socket says so; lists know the client by its IPv4 address."""
    reader = ProxyReader()
    reader.feed(header)
    assert reader.proxied == TOLD


@pytest.mark.parametrize(
    "header",
    [
        b"EHLO x\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n",
        b"PROXY " + b"x" * 200,
        _SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12),
        _SIGNATURE + b"\x21\x11\x00\x02" + bytes(2),
        _SIGNATURE + b"\x21\x11\xff\xff",
    ],
)
def test_what_is_none(header: bytes) -> None:
    with pytest.raises(ProxyError):
        ProxyReader().feed(header)


@given(st.binary(max_size=300))
def test_garbage_is_an_error_or_not_enough(data: bytes) -> None:
    try:
        ProxyReader().feed(data)
    except ProxyError:
        pass
