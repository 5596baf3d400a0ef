"""Asking clients for a certificate without insisting on one that verifies (smtpd_tls_ask_ccert; TLS_README).

Python's ssl ends a handshake whose peer shows a certificate that no known authority has signed. Postfix goes on and calls it "not
verified", because access by fingerprint (permit_tls_clientcerts, check_ccert_access) is for just such certificates. OpenSSL
has a callback for that, and the ssl module no way to set it: so it is set here (net/openssl.py).
"""

import ctypes
import datetime
import hashlib
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gatepost.net import openssl

if TYPE_CHECKING:
    import ssl

    from cryptography import x509

_VERIFY_PEER: Final = 1
_CALLBACK: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)


_GO_ON: Final = _CALLBACK(lambda _preverified, _store: 1)
"""OpenSSL's verify callback: whatever the chain is, the handshake continues. It lives as long as the process."""


def ask_without_insisting(context: "ssl.SSLContext") -> bool:
    """Ask every client for a certificate and take any; False where this Python cannot do so, and nothing was changed."""
    library = openssl.library()
    if library is None or not hasattr(library, "SSL_CTX_set_verify"):
        return False
    set_verify = library.SSL_CTX_set_verify
    set_verify.argtypes = (ctypes.c_void_p, ctypes.c_int, _CALLBACK)
    set_verify.restype = None
    set_verify(openssl.context_pointer(context), _VERIFY_PEER, _GO_ON)
    return True


class Shown(Struct, frozen=True):
    """What a certificate says: common names of subject and issuer, fingerprints as colon-separated hexadecimal of the certificate
    and of its public key, and whether it is trusted."""

    subject: str
    issuer: str
    fingerprint: str
    pubkey_fingerprint: str
    trusted: bool


def read(certificate: bytes, digest: str, authorities: "list[x509.Certificate]") -> Shown:
    """A certificate in DER. `digest`: smtpd_tls_fingerprint_digest; `authorities`: who may vouch for it."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    parsed = x509.load_der_x509_certificate(certificate)
    key = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Shown(
        _common_name(parsed.subject),
        _common_name(parsed.issuer),
        _fingerprint(certificate, digest),
        _fingerprint(key, digest),
        any(_vouches(authority, parsed) for authority in authorities),
    )


def load_authorities(file: str) -> "list[x509.Certificate]":
    """The certificates of a PEM file. Raises OSError, and ValueError where it holds none."""
    from cryptography import x509

    with open(file, "rb") as opened:
        return x509.load_pem_x509_certificates(opened.read())


def _vouches(authority: "x509.Certificate", certificate: "x509.Certificate") -> bool:
    """Whether `authority` has signed `certificate`, and it is valid now."""
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    now = datetime.datetime.now(datetime.UTC)
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _common_name(name: "x509.Name") -> str:
    from cryptography.x509.oid import NameOID

    values = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(values[0].value) if values else ""


def _fingerprint(octets: bytes, digest: str) -> str:
    return ":".join(f"{octet:02X}" for octet in hashlib.new(digest, octets, usedforsecurity=False).digest())
