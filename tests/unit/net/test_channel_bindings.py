"""What both ends of a TLS connection know of it, and nobody else (RFC 5929, 9266)."""

import contextlib
import ssl

import pytest
from tests.support.certificate import Certificate, make

from gatepost.net import openssl


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make(tmp_path_factory.mktemp("tls") / "own", "mail.test")


def connected(own: Certificate, version: ssl.TLSVersion) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.load_verify_locations(own.authority)
    server.load_cert_chain(own.chain, own.key)
    client.maximum_version = version
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours, theirs = client.wrap_bio(back, there, server_hostname="mail.test"), server.wrap_bio(there, back, server_side=True)
    for _ in range(5):
        for end in (ours, theirs):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    return ours, theirs


VERSIONS = {"tls-exporter": ssl.TLSVersion.TLSv1_3, "tls-unique": ssl.TLSVersion.TLSv1_2}


@pytest.mark.parametrize("kind", VERSIONS)
def test_both_ends_know_it_and_another_connection_has_another(own: Certificate, kind: str) -> None:
    ours, theirs = (openssl.channel_bindings(end) for end in connected(own, VERSIONS[kind]))
    assert ours == theirs and list(ours) == [kind] and len(ours[kind]) >= 12
    assert openssl.channel_bindings(connected(own, VERSIONS[kind])[0]) != ours


def test_where_openssl_cannot_be_asked_there_is_none(own: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _ = connected(own, ssl.TLSVersion.TLSv1_3)
    monkeypatch.setattr(openssl, "library", lambda: None)
    assert openssl.channel_bindings(ours) == {}
