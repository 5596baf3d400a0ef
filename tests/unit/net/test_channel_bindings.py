"""What both ends of a TLS connection know of it, and nobody else (RFC 5929, 9266)."""

import contextlib
import hashlib
import ssl
import subprocess
from pathlib import Path

import pytest
from tests.support.certificate import Certificate, make

from gatepost.net import openssl
from gatepost.net.channel_binding import _end_point, channel_bindings


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make(tmp_path_factory.mktemp("tls") / "own", "mail.test")


def connected(own: Certificate, version: ssl.TLSVersion, options: int = 0) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """The client's end and the server's, after the handshake."""
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.load_verify_locations(own.authority)
    server.load_cert_chain(own.chain, own.key)
    client.maximum_version = version
    client.options |= options
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours, theirs = client.wrap_bio(back, there, server_hostname="mail.test"), server.wrap_bio(there, back, server_side=True)
    for _ in range(5):
        for end in (ours, theirs):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    return ours, theirs


NO_EXTENDED_MASTER_SECRET = 1  # SSL_OP_NO_EXTENDED_MASTER_SECRET of ssl.h
VERSIONS = {"tls-exporter": ssl.TLSVersion.TLSv1_3, "tls-unique": ssl.TLSVersion.TLSv1_2}


@pytest.mark.parametrize("kind", VERSIONS)
def test_both_ends_know_it_and_another_connection_has_another(own: Certificate, kind: str) -> None:
    ours, theirs = (channel_bindings(end) for end in connected(own, VERSIONS[kind]))
    assert list(ours) == [kind] and len(ours[kind]) >= 12
    assert theirs[kind] == ours[kind] and theirs.keys() == {kind, "tls-exporter", "tls-server-end-point"}
    again, _ = (channel_bindings(end) for end in connected(own, VERSIONS[kind]))
    assert again != ours


def test_without_the_extended_master_secret_connections_may_have_it_in_common(own: Certificate) -> None:
    ends = connected(own, ssl.TLSVersion.TLSv1_2, NO_EXTENDED_MASTER_SECRET)
    assert [list(channel_bindings(end)) for end in ends] == [[], ["tls-server-end-point"]]


def test_the_end_point_is_the_certificate(own: Certificate) -> None:
    """RFC 5929 §4.1: by the digest of its signature."""
    client, server = connected(own, ssl.TLSVersion.TLSv1_3)
    certificate = client.getpeercert(binary_form=True)
    assert certificate is not None
    assert channel_bindings(server)["tls-server-end-point"] == hashlib.sha256(certificate).digest()


@pytest.mark.parametrize(("digest", "used"), [("sha1", "sha256"), ("sha384", "sha384"), ("sha512", "sha512")])
def test_digests_of_certificates(tmp_path: Path, digest: str, used: str) -> None:
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", f"-{digest}", "-outform", "DER")
    made = subprocess.run([*command, "-keyout", tmp_path / "key", "-out", tmp_path / "der"], capture_output=True, check=True)
    assert made.returncode == 0
    certificate = (tmp_path / "der").read_bytes()
    assert _end_point(certificate) == hashlib.new(used, certificate).digest()


def test_where_openssl_cannot_be_asked_there_is_none(own: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    for end in connected(own, ssl.TLSVersion.TLSv1_3):
        with monkeypatch.context() as without:
            without.setattr(openssl, "library", lambda: None)
            assert channel_bindings(end) == {}
