"""OpenSSL is asked by the layout of CPython's objects only where that was proved; else it is not asked, and that is said."""

import ctypes
import ssl
from collections.abc import Iterator

import pytest

from gatepost.net import client_certificates, openssl


@pytest.fixture(autouse=True)
def proved_anew() -> Iterator[None]:
    openssl._proved.cache_clear()
    yield
    openssl._proved.cache_clear()


def test_this_python_is_as_expected() -> None:
    assert openssl.why_not() == ""
    assert openssl.library() is not None


def test_a_context_is_where_it_is_looked_for() -> None:
    functions, context = openssl.library(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert functions is not None
    context.options |= ssl.OP_NO_TICKET
    assert functions.SSL_CTX_get_options(ctypes.c_void_p(openssl.context_pointer(context))) == context.options


@pytest.mark.parametrize("address", [None, 0, 8, 7, 0xDEAD_BEEF_0000, (1 << 64) - 512])
@pytest.mark.parametrize("what", ["contexts", "connections"])
def test_members_that_are_no_addresses(monkeypatch: pytest.MonkeyPatch, address: int | None, what: str) -> None:
    monkeypatch.setattr(openssl, "context_pointer" if what == "contexts" else "connection_pointer", lambda _: address)
    assert openssl.library() is None
    assert openssl.why_not() == f"this Python keeps TLS {what} elsewhere"


@pytest.mark.parametrize("what", ["contexts", "connections"])
def test_addresses_of_something_else(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    something = ctypes.create_string_buffer(b"\x5a" * 4096, 4096)
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    address = ctypes.addressof(something) // 8 * 8 + 8 if what == "contexts" else openssl.context_pointer(other)
    if what == "contexts":
        monkeypatch.setattr(openssl, "context_pointer", lambda _: address)
    else:
        connected = other.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
        inner = openssl.connection_pointer(connected)
        monkeypatch.setattr(openssl, "connection_pointer", lambda _: inner)
    assert openssl.why_not() == f"this Python keeps TLS {what} elsewhere"


def test_a_layout_with_one_member_more(monkeypatch: pytest.MonkeyPatch) -> None:
    word = openssl._word
    monkeypatch.setattr(openssl, "_word", lambda value, index: word(value, index + 1))
    assert "elsewhere" in openssl.why_not()


def test_without_it_all_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl, "context_pointer", lambda _: None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    openssl.limit_depth(context, 3)
    openssl.limit_sessions(context, 300)
    openssl.forget_sessions(context)
    assert openssl.choose_groups(context, ["X25519"]) == []
    assert not client_certificates.ask_without_insisting(context)
