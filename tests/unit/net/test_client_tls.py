"""TLS parameters and certificates of outgoing connections."""

import hashlib
import ssl

import pytest

from gatepost.net.client_tls import (
    BadTlsParameter,
    ContextSpec,
    certificate_names,
    client_context,
    fingerprint_matches,
    name_matches,
    versions,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, 5)),
        (">=TLSv1", (2, 5)),
        ("!SSLv2, !SSLv3", (2, 5)),
        ("!SSLv2 !SSLv3 !TLSv1 !TLSv1.1", (4, 5)),
        ("TLSv1.2", (4, 4)),
        (">=TLSv1.2, <=TLSv1.2", (4, 4)),
        ("tlsv1.0:TLSv1.3", (2, 5)),
    ],
)
def test_protocols(text: str, expected: tuple[int, int]) -> None:
    assert versions(text) == expected


@pytest.mark.parametrize("text", ["TLSv9", ">TLSv1", ">=TLSv1.3 <=TLSv1.2"])
def test_bad_protocols(text: str) -> None:
    with pytest.raises(BadTlsParameter):
        versions(text)


def test_context() -> None:
    context = client_context(ContextSpec(protocols=">=TLSv1.2", ciphers="high", exclude="aNULL, MD5", verify=True))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert client_context(ContextSpec()).verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize("spec", [ContextSpec(ciphers="wat"), ContextSpec(protocols="SSLv3")])
def test_bad_context(spec: ContextSpec) -> None:
    with pytest.raises(BadTlsParameter):
        client_context(spec)


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


def test_certificate_names() -> None:
    subject = ((("commonName", "cn.test"),),)
    assert certificate_names({"subject": subject}) == ("cn.test",)
    assert certificate_names({"subject": subject, "subjectAltName": (("DNS", "san.test"), ("IP Address", "::1"))}) == ("san.test",)


def test_fingerprint() -> None:
    digest = hashlib.sha256(b"der").hexdigest()
    colons = ":".join(digest[n : n + 2] for n in range(0, 64, 2)).upper()
    assert fingerprint_matches(b"der", "sha256", ["00", colons])
    assert not fingerprint_matches(b"der2", "sha256", [colons])
