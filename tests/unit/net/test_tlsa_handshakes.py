"""Handshakes that are judged by TLSA records (RFC 7671), in memory."""

import hashlib
import ssl
from pathlib import Path

import pytest
from tests.support.certificate import Certificate, make

from gatepost.net import openssl
from gatepost.net.client_tls import ContextSpec, dane_context
from gatepost.net.dane import matches, usable
from gatepost.net.port import TLSA
from gatepost.net.tls_parameters import TlsFailure

DIGESTS = "sha512 sha256"
OTHER = bytes(32)
_END = "-----END CERTIFICATE-----\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    made = make(tmp_path_factory.mktemp("dane"), "mx.test")
    made.chain.write_text(made.chain.read_text() + made.authority.read_text())
    return made


def der(file: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(file.read_text().partition(_END)[0] + _END)


def connected(certificate: Certificate, records: tuple[TLSA, ...], *names: str, digests: str = DIGESTS) -> ssl.SSLObject:
    """The client's end of a handshake with the server of `certificate`."""
    of_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    of_server.load_cert_chain(certificate.chain, certificate.key)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = dane_context(ContextSpec(protocols="", ciphers="DEFAULT"), records, names, digests)
    client = context.wrap_bio(back, there, server_hostname=names[0])
    server = of_server.wrap_bio(there, back, server_side=True)
    for end in (client, server) * 2:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return client


@pytest.mark.parametrize(
    ("usage", "name", "number"),
    [(3, "mx.test", 0), (3, "other.test", 0), (2, "mx.test", 0), (2, "other.test", 62)],
)
def test_names_count_for_trust_anchors_alone(certificate: Certificate, usage: int, name: str, number: int) -> None:
    shown = der(certificate.chain if usage == 3 else certificate.authority)
    for record in (TLSA(usage, 0, 1, hashlib.sha256(shown).digest()), TLSA(usage, 0, 2, hashlib.sha512(shown).digest())):
        client = connected(certificate, (record,), name)
        assert matches(client) is (number == 0)
        assert openssl.verification(client)[0] == number


def test_a_further_name_does(certificate: Certificate) -> None:
    record = TLSA(2, 0, 1, hashlib.sha256(der(certificate.authority)).digest())
    assert matches(connected(certificate, (record,), "other.test", "mx.test"))


def test_another_server_does_not(certificate: Certificate) -> None:
    client = connected(certificate, (TLSA(3, 1, 1, OTHER),), "mx.test")
    assert not matches(client)
    assert openssl.verification(client) == (65, "no matching DANE TLSA records")


@pytest.mark.parametrize(("digests", "does"), [("sha512 sha256", False), ("sha256 sha512", True), ("sha256", True)])
def test_the_strongest_digest_alone_counts(certificate: Certificate, digests: str, does: bool) -> None:
    shown = der(certificate.chain)
    records = (TLSA(3, 0, 1, hashlib.sha256(shown).digest()), TLSA(3, 0, 2, OTHER * 2))
    assert matches(connected(certificate, usable(records, digests), "mx.test", digests=digests)) is does


def test_which_records_are_of_use(certificate: Certificate) -> None:
    shown = der(certificate.chain)
    good = (TLSA(3, 0, 0, shown), TLSA(2, 0, 0, shown), TLSA(3, 1, 1, OTHER), TLSA(3, 1, 2, OTHER * 2))
    bad = (
        TLSA(0, 1, 1, OTHER), TLSA(1, 1, 1, OTHER), TLSA(4, 1, 1, OTHER), TLSA(3, 2, 1, OTHER), TLSA(3, 1, 3, OTHER),
        TLSA(3, 1, 1, b"short"), TLSA(3, 0, 0, b"no certificate"), TLSA(3, 1, 0, shown[:100]), TLSA(255, 255, 255, b""),
    )  # fmt: skip
    assert usable(bad[:4] + good + bad[4:], DIGESTS) == good
    assert usable(good, "sha256") == good[:3]
    assert usable((TLSA(3, 1, 3, bytes(48)),), "sha384=3") == (TLSA(3, 1, 3, bytes(48)),)


@pytest.mark.parametrize("digests", ["sha257", "sha384", "sha384=0", "sha384=256", "sha384=x"])
def test_digests_that_nobody_knows(digests: str) -> None:
    with pytest.raises(TlsFailure, match="tls_dane_digests"):
        usable((), digests)


def test_no_connection_without_its_records(certificate: Certificate) -> None:
    with pytest.raises(ssl.SSLError, match="TLSA"):
        connected(certificate, (TLSA(3, 1, 1, b"short"),), "mx.test")
