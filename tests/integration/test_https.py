"""Fetching from a real HTTPS server, in the loop that workers have."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from gatepost.net.connect import SocketConnector
from gatepost.net.https import FetchFailure, fetch, trusting
from gatepost.net.stream_client import Network
from gatepost.net.stream_port import Trouble
from gatepost.proto.http import Request, Response
from tests.integration.https_server import HttpsServer, Said
from tests.support import certificate as certificates
from tests.support.certificate import Certificate
from tests.support.fake_dns import FakeDns


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificates.make(tmp_path_factory.mktemp("tls"), "server.test")


@pytest.fixture
def server(certificate: Certificate) -> Iterator[HttpsServer]:
    one = HttpsServer(certificate)
    yield one
    one.close()


def _fetch(server: HttpsServer, authority: Path, request: Request, name: str = "server.test") -> Response:
    async def play() -> Response:
        network = Network(SocketConnector(), FakeDns(f"{name} A 127.0.0.1"), time.monotonic, asyncio.sleep, lambda: 0.0)
        return await fetch(request, network, seconds=20, most_octets=65536, context=trusting(str(authority)))

    return uvloop.run(play())


def test_get_and_post(server: HttpsServer, certificate: Certificate) -> None:
    server.answers = {"/a?b=c": Said(200, b"hello" * 10_000), "/in": lambda asked: Said(201, asked.body, {"X-Seen": "yes"})}
    url = f"https://server.test:{server.port}"
    assert _fetch(server, certificate.authority, Request(f"{url}/a?b=c")).body == b"hello" * 10_000
    posted = _fetch(server, certificate.authority, Request(f"{url}/in", "POST", (("Content-Type", "text/plain"),), b"x" * 100_00))
    assert (posted.status, posted.body, posted.header("x-seen")) == (201, b"x" * 100_00, "yes")
    assert server.asked[-1].headers["host"] == f"server.test:{server.port}"
    assert _fetch(server, certificate.authority, Request(f"{url}/nothing")).status == 404


def test_another_name_and_another_authority(server: HttpsServer, certificate: Certificate, tmp_path: Path) -> None:
    others = certificates.make(tmp_path, "server.test")
    for name, authority in (("other.test", certificate.authority), ("server.test", others.authority)):
        with pytest.raises(FetchFailure, match="certificate") as caught:
            _fetch(server, authority, Request(f"https://{name}:{server.port}/"), name)
        assert caught.value.trouble is Trouble.TLS
    assert not server.asked
