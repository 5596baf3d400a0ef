"""Fetching: whatever a server does, a response in time or one failure."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import certificate as certificates
from tests.support.driven_loop import run
from tests.support.fake_dns import FakeDns
from tests.support.stream_servers import Reader, Writer, closing, endless, listening, silent

from gatepost.net.connect import SocketConnector
from gatepost.net.https import FetchFailure, fetch, is_public, trusting
from gatepost.net.stream_client import Network
from gatepost.net.stream_port import Trouble
from gatepost.proto.http import Request, Response

_SECONDS = 20
_HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def _network(zone: str = "server.test A 127.0.0.1\nother.test A 127.0.0.1") -> Network:
    return Network(SocketConnector(), FakeDns(zone), asyncio.get_running_loop().time, asyncio.sleep, lambda: 0.0)


def _saying(octets: bytes) -> Callable[[Reader, Writer], Awaitable[None]]:
    async def behave(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(octets)

    return behave


async def _dripping(reader: Reader, writer: Writer) -> None:
    """Each octet in time, the whole not."""
    for octet in _HELLO:
        writer.write(bytes([octet]))
        await asyncio.sleep(4)


async def _dripping_head(reader: Reader, writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: y\r\n")
        await asyncio.sleep(1)


def _fetch(folder: Path, behave: Callable[[Reader, Writer], Awaitable[None]], **more: Any) -> Response:
    """From a server without TLS."""

    async def play() -> Response:
        async with listening("inet", folder, behave) as peer:
            assert peer.server is not None
            loop = asyncio.get_running_loop()
            begun = loop.time()
            try:
                request = Request(f"http://127.0.0.1:{peer.server.port}/")
                return await fetch(request, _network(), seconds=_SECONDS, most_octets=100, in_clear=True, **more)
            finally:
                assert loop.time() - begun <= _SECONDS + 0.1

    return run(play())


def test_a_response(tmp_path: Path) -> None:
    assert _fetch(tmp_path, _saying(_HELLO)).body == b"hello"


@pytest.mark.parametrize(
    ("behave", "trouble"),
    [
        (silent, Trouble.TIMEOUT),
        (_dripping, Trouble.TIMEOUT),
        (_dripping_head, Trouble.TIMEOUT),
        (closing, Trouble.CLOSED),
        (_saying(_HELLO[:-1]), Trouble.CLOSED),
        (_saying(b"HTTP/1.1 200 OK\r\n\r\nhello"), Trouble.GARBAGE),
        (_saying(b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"), Trouble.GARBAGE),
        (endless, Trouble.OVERLONG),
    ],
)
def test_no_response(tmp_path: Path, behave: Any, trouble: Trouble) -> None:
    with pytest.raises(FetchFailure, match=r"^http://127\.0\.0\.1:\d+: .") as caught:
        _fetch(tmp_path, behave)
    assert caught.value.trouble is trouble


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.binary(max_size=100) | st.binary(max_size=50).map(lambda more: b"HTTP/1.1 200 OK\r\n" + more))
def test_no_response_of_any_octets_raises_anything_else(tmp_path: Path, octets: bytes) -> None:
    try:
        _fetch(tmp_path, _saying(octets))
    except FetchFailure:
        pass


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    octets = b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    assert _fetch(tmp_path, _saying(octets)).status == 301


def test_a_private_address_is_not_connected_to(tmp_path: Path) -> None:
    with pytest.raises(FetchFailure, match=r"127\.0\.0\.1 is no public address") as caught:
        _fetch(tmp_path, _saying(_HELLO), public_only=True)
    assert caught.value.trouble is Trouble.CONNECT


def test_a_name_that_leads_to_a_private_address() -> None:
    async def play() -> None:
        zone = "evil.test A 10.0.0.1\nevil.test AAAA ::ffff:127.0.0.1"
        await fetch(Request("https://evil.test/"), _network(zone), seconds=5, most_octets=1, public_only=True)

    with pytest.raises(FetchFailure, match="no public address"):
        run(play())


@pytest.mark.parametrize("address", ["192.0.43.8", "2620:0:2d0:200::8", "::ffff:192.0.43.8", "64:ff9b::c000:2b08"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1"),
        *("255.255.255.255", "::1", "::", "fe80::1", "fe80::1%lo", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"),
        *("2002:7f00:1::1", "2001:db8::1", "64:ff9b:1::7f00:1", "::7f00:1", "fec0::1", "5f00::1", "4000::1"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "https://a.test/ x", "ftp://a.test/"])
def test_a_url_that_is_not_asked(url: str) -> None:
    with pytest.raises(FetchFailure):
        run(fetch(Request(url), None, seconds=1, most_octets=1))  # type: ignore[arg-type]


def test_no_failure_shows_a_secret() -> None:
    async def play() -> None:
        request = Request("https://gone.test/x?secret", "POST", (("Authorization", "secret"),), b"secret")
        await fetch(request, _network(), seconds=1, most_octets=1)

    with pytest.raises(FetchFailure, match=r"^https://gone\.test: .*not known") as caught:
        run(play())
    assert "secret" not in str(caught.value)


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> certificates.Certificate:
    return certificates.make(tmp_path_factory.mktemp("tls"), "server.test")


def _fetch_tls(certificate: certificates.Certificate, name: str, context: ssl.SSLContext | None, **more: Any) -> Response:
    """From a server with TLS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate.chain, certificate.key)

    async def talk(reader: Reader, writer: Writer) -> None:
        await _saying(_HELLO)(reader, writer)
        writer.close()

    async def play() -> Response:
        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
        async with server:
            url = f"https://{name}:{server.sockets[0].getsockname()[1]}/"
            return await fetch(Request(url), _network(), seconds=_SECONDS, most_octets=100, context=context, **more)

    return run(play())


def test_a_certificate_of_an_authority_that_is_believed(certificate: certificates.Certificate) -> None:
    assert _fetch_tls(certificate, "server.test", trusting(str(certificate.authority))).body == b"hello"


def test_a_certificate_for_another_name(certificate: certificates.Certificate) -> None:
    with pytest.raises(FetchFailure, match="Hostname mismatch") as caught:
        _fetch_tls(certificate, "other.test", trusting(str(certificate.authority)))
    assert caught.value.trouble is Trouble.TLS


def test_a_certificate_of_an_unknown_authority(certificate: certificates.Certificate) -> None:
    with pytest.raises(FetchFailure, match="certificate verify failed") as caught:
        _fetch_tls(certificate, "server.test", None)
    assert caught.value.trouble is Trouble.TLS


def test_a_file_of_authorities_that_is_not_there() -> None:
    with pytest.raises(OSError):
        trusting("/nonexistent")
