"""TLS-ALPN-01 (RFC 8737): certificates that nobody trusts, for the authority alone, which asks for the protocol `acme-tls/1`."""

import contextlib
import datetime
import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from gatepost.acme.port import Proof

if TYPE_CHECKING:
    import ssl

ALPN: Final = "acme-tls/1"
_ACME_IDENTIFIER: Final = "1.3.6.1.5.5.7.1.31"
_OCTET_STRING: Final = b"\x04\x20"  # of 32 octets, DER
_DAY: Final = datetime.timedelta(days=1)


def certificate(proof: Proof) -> bytes:
    """A key and the certificate of a challenge, PEM: for the domain, signed by itself, with the critical extension acmeIdentifier
    (RFC 8737 §3)."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ACME challenge")])
    now = datetime.datetime.now(datetime.UTC)
    digest = hashlib.sha256(proof.key_authorization.encode()).digest()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(proof.domain)]), critical=False)
        .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(_ACME_IDENTIFIER), _OCTET_STRING + digest), critical=True)
        .sign(key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem + made.public_bytes(Encoding.PEM)


def context_for(proofs: Sequence[Proof]) -> "ssl.SSLContext":
    """Shows each domain's certificate to who asks for that domain; for any other name the handshake fails."""
    import ssl

    contexts: Mapping[str, ssl.SSLContext] = {proof.domain: _context(certificate(proof)) for proof in proofs}

    def choose(connected: "ssl.SSLObject | ssl.SSLSocket", name: str | None, _: ssl.SSLContext) -> int | None:
        chosen = contexts.get((name or "").lower())
        if chosen is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connected.context = chosen
        return None

    first = _context()
    first.sni_callback = choose
    return first


def _context(pem: bytes = b"") -> "ssl.SSLContext":
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([ALPN])
    context.num_tickets = 0
    if pem:
        descriptor = os.memfd_create("challenge", os.MFD_CLOEXEC)  # the ssl module takes nothing but names of files
        with contextlib.closing(os.fdopen(descriptor, "wb")) as file:
            file.write(pem)
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    return context
