"""Who answers challenges, on a port to which everybody comes."""

import asyncio
import hashlib
import socket
import ssl
from collections.abc import Awaitable, Callable

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from gatepost.acme import responder
from gatepost.acme.port import HTTP_01, TLS_ALPN_01, Proof
from gatepost.acme.responder import MOST_CONNECTIONS, responding
from gatepost.acme.responder_http import answer

TOKEN = "0123456789abcdefghijklmn"
PROOFS = (Proof("mx.test", TOKEN, f"{TOKEN}.thumb"), Proof("mail.test", "x" * 30, "x.thumb"))
QUESTION = f"GET /.well-known/acme-challenge/{TOKEN} HTTP/1.1\r\nHost: mx.test\r\n\r\n".encode()
NOT_FOUND = answer(b"", {})


def served(kind: str, client: Callable[[int], Awaitable[None]]) -> None:
    """What a client sees at the port of a challenge."""

    async def run() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        async with responding(kind, [listener], PROOFS):
            await client(port)
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)

    asyncio.run(run())


async def asked(port: int, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(question)
    found = await reader.read()
    writer.close()
    return found


def test_the_token_is_answered_and_nothing_else() -> None:
    async def client(port: int) -> None:
        found = await asked(port, QUESTION)
        assert found.startswith(b"HTTP/1.1 200 OK\r\n") and found.endswith(f"\r\n\r\n{TOKEN}.thumb".encode())
        assert await asked(port, QUESTION.replace(b"0123", b"9876")) == NOT_FOUND
        assert await asked(port, b"GET / HTTP/1.0\r\n\r\n") == NOT_FOUND
        assert await asked(port, b"x" * 5000) == NOT_FOUND

    served(HTTP_01, client)


def near(token: str) -> bytes:
    """The right question with another token."""
    return QUESTION.replace(TOKEN.encode(), token.encode("utf-8", "replace"))


@given(st.binary(max_size=200) | st.text(max_size=60).map(near))
def test_whoever_does_not_know_the_token_finds_nothing(question: bytes) -> None:
    assert answer(question, {TOKEN: "secret"}) == NOT_FOUND


def test_a_crowd_does_not_keep_the_authority_away() -> None:
    """Whoever holds connections loses the oldest of them."""

    async def client(port: int) -> None:
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2 * MOST_CONNECTIONS)]
        assert b"200 OK" in await asked(port, QUESTION)
        assert await crowd[0][0].read() == b""
        for _, writer in crowd:
            writer.close()

    served(HTTP_01, client)


@pytest.mark.parametrize("kind", [HTTP_01, TLS_ALPN_01])
def test_nobody_is_waited_for_without_end(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responder, "SECONDS", 0.05)

    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /" if kind == HTTP_01 else b"\x16")
        assert await reader.read() == b""
        writer.close()

    served(kind, client)


def context(alpn: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.set_alpn_protocols([alpn])
    return made


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.domain)
def test_the_certificate_of_a_challenge(proof: Proof) -> None:
    """RFC 8737 §3: one name, and the critical acmeIdentifier with the digest of the key authorization."""

    async def client(port: int) -> None:
        found = await asyncio.open_connection("127.0.0.1", port, ssl=context("acme-tls/1"), server_hostname=proof.domain)
        connected = found[1].get_extra_info("ssl_object")
        assert connected.selected_alpn_protocol() == "acme-tls/1"
        shown = x509.load_der_x509_certificate(connected.getpeercert(binary_form=True))
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert list(names) == [x509.DNSName(proof.domain)]
        extension = shown.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31"))
        assert extension.critical
        assert extension.value.public_bytes() == b"\x04\x20" + hashlib.sha256(proof.key_authorization.encode()).digest()
        assert await found[0].read() == b""
        found[1].close()

    served(TLS_ALPN_01, client)


def test_no_other_name_has_one() -> None:
    async def client(port: int) -> None:
        for name in ("other.test", None):
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", port, ssl=context("acme-tls/1"), server_hostname=name or "")

    served(TLS_ALPN_01, client)
