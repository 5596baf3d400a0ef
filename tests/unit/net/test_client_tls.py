"""Certificates of outgoing connections."""

import hashlib
import ssl
import subprocess
from pathlib import Path

import pytest
from tests.support.certificate import make

from gatepost.net.client_tls import alternative_names, certificate_names, fingerprint_matches, name_matches, parsed_certificate


@pytest.mark.parametrize(
    ("presented", "wanted", "matches"),
    [
        ("mx.test", "MX.test", True),
        ("mx.test", "other.test", False),
        ("*.test", "mx.test", True),
        ("*.test", "test", False),
        ("*.test", "a.b.test", True),
        ("*.test", "mxtest", False),
        ("mx.a.test", ".a.test", True),
        ("a.test", ".a.test", False),
        ("eviltest", ".test", False),
        ("m*.test", "mx.test", False),
    ],
)
def test_names(presented: str, wanted: str, matches: bool) -> None:
    assert name_matches(presented, wanted) is matches


@pytest.mark.parametrize(("wanted", "matches"), [("mx.test", True), ("a.b.test", False), ("test", False)])
def test_a_wildcard_for_one_label(wanted: str, matches: bool) -> None:
    assert name_matches("*.test", wanted, many_labels=False) is matches


def test_certificate_names() -> None:
    subject = ((("commonName", "cn.test"),),)
    assert certificate_names({"subject": subject}) == ("cn.test",)
    assert certificate_names({"subject": subject, "subjectAltName": (("DNS", "san.test"), ("IP Address", "::1"))}) == ("san.test",)


def test_the_names_of_a_certificate_that_nobody_verified(tmp_path: Path) -> None:
    shown = parsed_certificate(ssl.PEM_cert_to_DER_cert(make(tmp_path, "mx.test").chain.read_text()))
    assert alternative_names(shown) == certificate_names(shown) == ("mx.test",)


def test_a_certificate_that_is_read_by_openssl_alone_has_no_names(tmp_path: Path) -> None:
    """Its subjectAltName is of no characters: nothing that a server shows may cost more than its own connection."""
    new = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=mx.test")
    odd = ("-addext", "2.5.29.17=DER:30:03:82:01:ff", "-keyout", tmp_path / "key", "-out", tmp_path / "odd.pem")
    subprocess.run((*new, *odd), check=True, capture_output=True)
    ssl.create_default_context().load_verify_locations(tmp_path / "odd.pem")
    assert certificate_names(parsed_certificate(ssl.PEM_cert_to_DER_cert((tmp_path / "odd.pem").read_text()))) == ()
    assert parsed_certificate(b"") == {}


def test_fingerprint() -> None:
    digest = hashlib.sha256(b"der").hexdigest()
    colons = ":".join(digest[n : n + 2] for n in range(0, 64, 2)).upper()
    assert fingerprint_matches(b"der", "sha256", ["00", colons])
    assert not fingerprint_matches(b"der2", "sha256", [colons])


def test_the_fingerprint_of_the_key_stays_with_a_new_certificate(tmp_path: Path) -> None:
    own = make(tmp_path, "mx.test")
    subprocess.run(["openssl", "req", "-x509", "-key", own.key, "-subj", "/CN=new", "-out", tmp_path / "new.pem"], check=True)
    public = subprocess.run(
        ["openssl", "pkey", "-in", own.key, "-pubout", "-outform", "DER"], check=True, capture_output=True
    ).stdout
    wanted = [hashlib.sha256(public).hexdigest()]
    for chain in (own.chain, tmp_path / "new.pem"):
        assert fingerprint_matches(ssl.PEM_cert_to_DER_cert(chain.read_text()), "sha256", wanted)
    assert not fingerprint_matches(ssl.PEM_cert_to_DER_cert(own.authority.read_text()), "sha256", wanted)
