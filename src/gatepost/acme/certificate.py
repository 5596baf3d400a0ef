"""The certificate of this host: its key and request, what came for it, and when it is to be renewed.

cryptography is imported when it is used: only who has ACME pays for it.
"""

import datetime
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gatepost.acme.port import AcmeFailure, shown

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    Key = EllipticCurvePrivateKey | RSAPrivateKey

_RENEWED: Final = 2 / 3  # of its lifetime, at the latest
_SPREAD: Final = 1 / 30  # of its lifetime, by which it may be earlier: three days of ninety
_MOST_CERTIFICATES: Final = 10  # of a chain


class Certificate(Struct, frozen=True):
    """What matters here of a certificate. `begins`, `ends`: seconds since 1970; `domains`: in lower case; `issuer`: for people;
    `digest`: SHA-256 of it. Texts are printable."""

    domains: frozenset[str]
    begins: float
    ends: float
    issuer: str
    digest: bytes

    def renewal(self) -> float:
        """When to renew it: at two thirds of its lifetime, or somewhat before. How much is drawn by its digest: it stays the same
        for one certificate, and those that were made at one time are not all renewed at one time."""
        drawn = int.from_bytes(self.digest[:4]) / 2**32
        return self.begins + (self.ends - self.begins) * (_RENEWED - _SPREAD * drawn)


def make_key(kind: str) -> "Key":
    """A private key; `kind`: `ecdsa` (P-256) or `rsa` (2048 bits)."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    return rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())


def request(key: "Key", domains: Sequence[str]) -> bytes:
    """A certificate request (CSR), DER: the names stand in subjectAltName alone."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    names = x509.SubjectAlternativeName([x509.DNSName(domain) for domain in domains])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(names, critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def chain_file(key: "Key", chain: str, domains: Sequence[str], now: float) -> bytes:
    """What smtpd_tls_chain_files reads: the key, its certificate, and those between it and the authority, which are written anew.
    Raises AcmeFailure where they are not what was asked for: nothing is put in the place of a certificate that serves."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    try:
        found = x509.load_pem_x509_certificates(chain.encode())
    except ValueError:
        raise AcmeFailure("what the authority sent are no certificates") from None
    if len(found) > _MOST_CERTIFICATES:
        raise AcmeFailure(f"the authority sent a chain of {len(found)} certificates")
    if not _is_for(found[0], key):
        raise AcmeFailure("the authority sent the certificate of another key")
    own = _facts(found[0])
    if missing := sorted({domain.lower() for domain in domains} - own.domains):
        raise AcmeFailure(f"the authority sent a certificate that lacks {', '.join(missing)}")
    if own.ends <= now:
        raise AcmeFailure("the authority sent a certificate that has expired; is the clock right?")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem + b"".join(one.public_bytes(Encoding.PEM) for one in found)


def _is_for(certificate: "x509.Certificate", key: "Key") -> bool:
    """A key of a kind that is not known is not ours."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    spki = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    try:
        return certificate.public_key().public_bytes(*spki) == key.public_key().public_bytes(*spki)
    except (ValueError, UnsupportedAlgorithm):
        return False


def read(pem: bytes) -> Certificate | None:
    """The first certificate in a file; None where there is none."""
    from cryptography import x509

    try:
        return _facts(x509.load_pem_x509_certificates(pem)[0])
    except ValueError:
        return None


def _facts(certificate: "x509.Certificate") -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        domains = frozenset(shown(name.lower()) for name in names.get_values_for_type(x509.DNSName))
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        domains = frozenset()
    begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    return Certificate(domains, begins, ends, shown(certificate.issuer.rfc4514_string(), 200), digest)


def date(seconds: float) -> str:
    """A time for people."""
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d %H:%M} UTC"
