"""Handshakes in memory, told in the words of Postfix 3.7.11 (Received header and log, with keys of these kinds)."""

import contextlib
import datetime
import ssl
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gatepost.net import handshake, openssl

RSA = "RSA-PSS (2048 bits) {}-digest SHA256"


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key and its certificate for each kind."""
    folder = tmp_path_factory.mktemp("keys")
    for kind, key in {
        "rsa": rsa.generate_private_key(65537, 2048),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "ed448": ed448.Ed448PrivateKey.generate(),
    }.items():
        digest = None if kind.startswith("ed") else hashes.SHA256()
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{kind}.test")])
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        certificate = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(key, digest)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / kind).write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return folder


Ends = tuple[ssl.SSLObject, ssl.SSLObject]


def shake(pems: Path, server: str, client: str, curve: str = "", version: str = "TLSv1_3", *, asked: bool = True) -> Ends:
    """Both ends (server, client) of a connection; `client`: its certificate, if any, and whether it is asked for that."""
    offering = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    offering.load_cert_chain(pems / server)
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    asking.maximum_version = ssl.TLSVersion[version]
    if curve:
        assert openssl.choose_groups(asking, [curve]) == [curve]  # Python 3.11.2 knows no X448
    if client:
        asking.load_cert_chain(pems / client)
    if client and asked:
        offering.verify_mode = ssl.CERT_REQUIRED
        offering.load_verify_locations(pems / client)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = offering.wrap_bio(up, down, server_side=True), asking.wrap_bio(down, up)
    for _ in range(4):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    return ends


@pytest.mark.parametrize(
    ("server", "client", "curve", "details"),
    [
        ("rsa", "", "", ("key-exchange X25519 server-signature " + RSA.format("server"),)),
        (
            "rsa",
            "rsa",
            "",
            ("key-exchange X25519 server-signature " + RSA.format("server"), "client-signature " + RSA.format("client")),
        ),
        ("p384", "", "X448", ("key-exchange X448 server-signature ECDSA (secp384r1) server-digest SHA384",)),
        (
            "p256",
            "ed25519",
            "prime256v1",
            (
                "key-exchange ECDHE (prime256v1) server-signature ECDSA (prime256v1) server-digest SHA256",
                "client-signature ED25519",
            ),
        ),
        ("ed25519", "ed448", "secp521r1", ("key-exchange ECDHE (secp521r1) server-signature ED25519", "client-signature ED448")),
    ],
)
def test_both_ends_tell_the_same(pems: Path, server: str, client: str, curve: str, details: tuple[str, ...]) -> None:
    for end in shake(pems, server, client, curve):
        assert handshake.read(end).details == details


def test_in_one_line(pems: Path) -> None:
    told = handshake.read(shake(pems, "p256", "")[0])
    assert str(told) == (
        "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"
        " key-exchange X25519 server-signature ECDSA (prime256v1) server-digest SHA256"
    )


def test_nobody_is_told_what_nobody_wants_to_know(pems: Path) -> None:
    told = handshake.read(shake(pems, "p256", "")[0], details=False)
    assert str(told) == "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"


def test_before_tls_1_3_the_cipher_says_it(pems: Path) -> None:
    told = handshake.read(shake(pems, "p256", "", version="TLSv1_2")[0])
    assert str(told) == "TLSv1.2 with cipher ECDHE-ECDSA-AES256-GCM-SHA384 (256/256 bits)"


def test_a_client_tells_of_no_certificate_that_it_did_not_show(pems: Path) -> None:
    for end in shake(pems, "p256", "rsa", asked=False):
        assert handshake.read(end).details == ("key-exchange X25519 server-signature ECDSA (prime256v1) server-digest SHA256",)


def test_without_openssl_there_are_no_details(pems: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl, "library", lambda: None)
    assert handshake.read(shake(pems, "p256", "")[0]).details == ()


def test_a_certificate_that_cannot_be_read_costs_its_words_only(pems: Path) -> None:
    server = shake(pems, "p256", "")[0]
    server.getpeercert = lambda binary_form: b"no certificate"  # type: ignore[method-assign]
    assert handshake.read(server).details == ("key-exchange X25519 server-signature ECDSA (prime256v1) server-digest SHA256",)


def test_objects_of_another_build_have_no_pointer(pems: Path) -> None:
    server = shake(pems, "p256", "")[0]
    other = SimpleNamespace(_sslobj=bytearray(64), context=server.context)
    assert openssl.connection_pointer(server) is not None
    assert openssl.connection_pointer(other) is None  # type: ignore[arg-type]
