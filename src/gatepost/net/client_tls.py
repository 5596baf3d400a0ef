"""TLS for outgoing connections: contexts from what TLS parameters say, and what a peer's certificate tells (TLS_README).

Failure: TlsFailure where a parameter cannot be obeyed; nothing is skipped in silence.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from gatepost.net import openssl
from gatepost.net.port import TLSA
from gatepost.net.tls_parameters import identify, loaded, restrict

if TYPE_CHECKING:
    import ssl


class ContextSpec(Struct, frozen=True, kw_only=True):
    """What a context is made of.

    - `protocols` as in smtp_tls_protocols, `ciphers` as OpenSSL has it.
    - `options`, `workarounds`, `curves`: tls_ssl_options, tls_disable_workarounds, tls_eecdh_auto_curves.
    - `verify`: require a certificate chain to a trusted root.
    - `ca_file`, `ca_path`: roots, beside the system's where `system_roots`.
    - `anchors`: certificates trusted in their place (smtp_tls_trust_anchor_file).
    - `depth`: most certificates between them and the server's.
    - `chain_files` or `pairs`: own certificates, as `identify` takes them.
    """

    protocols: str
    ciphers: str
    options: str = ""
    workarounds: str = ""
    curves: str = ""
    verify: bool = False
    ca_file: str = ""
    ca_path: str = ""
    system_roots: bool = False
    anchors: str = ""
    depth: int = 9
    chain_files: str = ""
    pairs: tuple[tuple[str, str], ...] = ()


def client_context(spec: ContextSpec) -> "ssl.SSLContext":
    """A context for outgoing connections. Raises TlsFailure."""
    import ssl

    return _made(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), spec)


def dane_context(spec: ContextSpec, records: Sequence[TLSA], names: Sequence[str], digests: str) -> "ssl.SSLContext":
    """A context for connections to the server that `records` tell of (`net/dane`). Raises TlsFailure."""
    import ssl

    from gatepost.net.dane import DaneContext

    context = DaneContext(ssl.PROTOCOL_TLS_CLIENT)
    context.expect(records, names, digests)
    return _made(context, spec)


def _made(context: "ssl.SSLContext", spec: ContextSpec) -> "ssl.SSLContext":
    import ssl

    context.check_hostname = False  # names are matched by policy (smtp_tls_secure_cert_match)
    context.verify_mode = ssl.CERT_REQUIRED if spec.verify else ssl.CERT_NONE
    restrict(
        context,
        protocols=spec.protocols,
        ciphers=spec.ciphers,
        options=spec.options,
        workarounds=spec.workarounds,
        curves=spec.curves,
    )
    openssl.limit_depth(context, spec.depth)
    _trust(context, spec)
    identify(context, spec.chain_files, spec.pairs)
    return context


def _trust(context: "ssl.SSLContext", spec: ContextSpec) -> None:
    """Whom the context believes: the trust anchors alone where there are any, which need not be roots; else the CAs."""
    import ssl

    if spec.anchors:
        loaded(lambda: context.load_verify_locations(spec.anchors), spec.anchors)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return
    if spec.ca_file or spec.ca_path:
        file, path = spec.ca_file or None, spec.ca_path or None
        loaded(lambda: context.load_verify_locations(file, path), spec.ca_file or spec.ca_path)
    if spec.system_roots:
        context.load_default_certs()


def certificate_names(certificate: "dict[str, Any]") -> tuple[str, ...]:
    """DNS names a certificate is for (RFC 6125 §6.4): its subjectAltName, the common name only where there is none."""
    if names := alternative_names(certificate):
        return names
    return tuple(value for rdn in certificate.get("subject", ()) for kind, value in rdn if kind == "commonName")


def alternative_names(certificate: "dict[str, Any]") -> tuple[str, ...]:
    """DNS names of its subjectAltName alone (RFC 8461 §4.2)."""
    return tuple(value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS")


def parsed_certificate(der: bytes) -> "dict[str, Any]":
    """What the functions above ask of a certificate, whether it was verified or not, which is when the ssl module would tell. One
    that OpenSSL takes and a stricter reader does not has no names."""
    from cryptography import x509

    try:
        parsed = x509.load_der_x509_certificate(der)
        subject = [[("commonName", str(one.value))] for one in parsed.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
        alternatives = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return {"subject": subject}
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return {}
    return {"subjectAltName": [("DNS", name) for name in alternatives.get_values_for_type(x509.DNSName)], "subject": subject}


def name_matches(presented: str, wanted: str, *, many_labels: bool = True) -> bool:
    """Whether a certificate's name is the one wanted; `.example.com` wants any name below; a `*.` of the certificate stands for
    one label, or more where `many_labels` (tls_wildcard_matches_multiple_labels)."""
    presented, wanted = presented.lower().rstrip("."), wanted.lower().rstrip(".")
    if wanted.startswith("."):
        return presented.removeprefix("*").endswith(wanted)
    if presented.startswith("*."):
        below = wanted.removesuffix(presented[1:])
        return below not in ("", wanted) and (many_labels or "." not in below)
    return presented == wanted


def fingerprint_matches(der: bytes, digest: str, wanted: Sequence[str]) -> bool:
    """Whether a certificate, in DER, or its public key has one of the fingerprints `wanted` (hex, with or without colons). That of
    the key stays when the certificate is renewed for it."""
    asked = {word.replace(":", "").lower() for word in wanted}
    return any(hashlib.new(digest, part).hexdigest() in asked for part in _certificate_and_key(der))


def _certificate_and_key(der: bytes) -> Iterator[bytes]:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    yield der
    with contextlib.suppress(ValueError, UnsupportedAlgorithm):  # a certificate that OpenSSL takes and a stricter reader does not
        yield x509.load_der_x509_certificate(der).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
