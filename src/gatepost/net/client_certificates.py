"""Asking clients for a certificate without insisting on one that verifies (smtpd_tls_ask_ccert; TLS_README).

Python's ssl ends a handshake whose peer shows a certificate that no known authority has signed. Postfix goes on and calls it "not
verified", because access by fingerprint (permit_tls_clientcerts, check_ccert_access) is for just such certificates. OpenSSL
has a callback for that, and the ssl module no way to set it: so it is set here (net/openssl.py).
"""

import ctypes
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
    and of its public key; `names`: subject and issuer as OpenSSL writes them in one line."""

    subject: str
    issuer: str
    fingerprint: str
    pubkey_fingerprint: str
    names: tuple[str, str]


def read(certificate: bytes, digest: str) -> Shown:
    """A certificate in DER. `digest`: smtpd_tls_fingerprint_digest."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    parsed = x509.load_der_x509_certificate(certificate)
    key = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Shown(
        _common_name(parsed.subject),
        _common_name(parsed.issuer),
        _fingerprint(certificate, digest),
        _fingerprint(key, digest),
        (_one_line(parsed.subject), _one_line(parsed.issuer)),
    )


_UNKNOWN_ISSUER: Final = frozenset((2, 20, 21))
_PLAIN: Final = frozenset((9, 10, 18))


def distrust(number: int, words: str, issuer: str) -> str:
    """What is wrong with a chain, in the words of Postfix's log; empty where nothing is. `number` and `words`: of
    X509_STORE_CTX_get_error(3); `issuer`: of the client's certificate."""
    if number in _UNKNOWN_ISSUER:
        return f"untrusted issuer {issuer}"
    return words if not number or number in _PLAIN else f"num={number}:{words}"


def _one_line(name: "x509.Name") -> str:
    """`/C=AQ/CN=client.example.test`."""
    return "".join(f"/{part.rfc4514_attribute_name}={part.value!s}" for part in name)


def _common_name(name: "x509.Name") -> str:
    from cryptography.x509.oid import NameOID

    values = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(values[0].value) if values else ""


def _fingerprint(octets: bytes, digest: str) -> str:
    return ":".join(f"{octet:02X}" for octet in hashlib.new(digest, octets, usedforsecurity=False).digest())
