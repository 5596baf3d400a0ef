"""The server side of TLS: contexts out of the smtpd_tls_* parameters, and what a handshake told (TLS_README)."""

import hashlib
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    import ssl


class TlsServerSettings(Struct, frozen=True):
    """Parameters of smtpd's TLS; lists as written."""

    smtpd_tls_security_level: str = ""
    smtpd_tls_chain_files: str = ""
    smtpd_tls_cert_file: str = ""
    smtpd_tls_key_file: str = ""
    smtpd_tls_eccert_file: str = ""
    smtpd_tls_eckey_file: str = ""
    smtpd_tls_CAfile: str = ""
    smtpd_tls_CApath: str = ""
    smtpd_tls_protocols: str = ">=TLSv1.2"
    smtpd_tls_mandatory_protocols: str = ">=TLSv1.2"
    smtpd_tls_ask_ccert: bool = False
    smtpd_tls_req_ccert: bool = False
    smtpd_tls_fingerprint_digest: str = "md5"
    tls_preempt_cipherlist: bool = False


class TlsFailure(Exception):
    """Certificates or parameters that cannot be used; the text names file or parameter."""


class TlsFacts(Struct, frozen=True):
    """What a handshake told. `subject` and `issuer` are common names of the client's certificate, fingerprints colon-separated
    hexadecimal; empty without a certificate."""

    protocol: str = ""
    cipher: str = ""
    bits: int = 0
    subject: str = ""
    issuer: str = ""
    fingerprint: str = ""
    pubkey_fingerprint: str = ""
    trusted: bool = False


_VERSIONS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


class ServerTls:
    """A compiled TLS configuration. `required`: the security level is `encrypt`."""

    __slots__ = ("_digest", "context", "required")

    def __init__(self, settings: TlsServerSettings, *, wrapper: bool = False) -> None:
        """Raises TlsFailure."""
        self.required = settings.smtpd_tls_security_level == "encrypt" or wrapper
        self._digest = settings.smtpd_tls_fingerprint_digest or "md5"
        self.context = _context(settings, required=self.required)

    def describe(self, connected: Any) -> TlsFacts:
        """The facts of a finished handshake (`ssl.SSLObject`)."""
        name, _, bits = connected.cipher() or ("", "", 0)
        facts = TlsFacts(protocol=connected.version() or "", cipher=name, bits=bits)
        certificate = connected.getpeercert(binary_form=True)
        return _with_certificate(facts, certificate, self._digest) if certificate else facts


def _context(settings: TlsServerSettings, *, required: bool) -> "ssl.SSLContext":
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_certificates(context, settings)
    wanted = settings.smtpd_tls_mandatory_protocols if required else settings.smtpd_tls_protocols
    lowest, highest = protocol_range(wanted)
    versions = {"TLSv1": "TLSv1", "TLSv1.1": "TLSv1_1", "TLSv1.2": "TLSv1_2", "TLSv1.3": "TLSv1_3"}
    context.minimum_version = ssl.TLSVersion[versions[lowest]]
    context.maximum_version = ssl.TLSVersion[versions[highest]]
    if settings.tls_preempt_cipherlist:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    if settings.smtpd_tls_CAfile or settings.smtpd_tls_CApath:
        _loaded(lambda: context.load_verify_locations(settings.smtpd_tls_CAfile or None, settings.smtpd_tls_CApath or None))
    if settings.smtpd_tls_req_ccert and required:
        context.verify_mode = ssl.CERT_REQUIRED
    elif settings.smtpd_tls_ask_ccert and (settings.smtpd_tls_CAfile or settings.smtpd_tls_CApath):
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _load_certificates(context: "ssl.SSLContext", settings: TlsServerSettings) -> None:
    """smtpd_tls_chain_files, else the certificate and key parameters."""
    if chain := settings.smtpd_tls_chain_files.replace(",", " ").split():
        for file in chain:
            _loaded(lambda file=file: context.load_cert_chain(file), file)
        return
    pairs = (
        (settings.smtpd_tls_cert_file, settings.smtpd_tls_key_file),
        (settings.smtpd_tls_eccert_file, settings.smtpd_tls_eckey_file),
    )
    for certificate, key in pairs:
        if certificate and certificate != "none":
            _loaded(lambda c=certificate, k=key: context.load_cert_chain(c, k or None), certificate)


def _loaded(load: Any, file: str = "") -> None:
    """Run a loader, with its failure in our words."""
    try:
        load()
    except OSError as error:
        raise TlsFailure(f"cannot load TLS certificates {file}: {error.strerror or error}") from error


def protocol_range(parameter: str) -> tuple[str, str]:
    """Lowest and highest TLS version that a protocols parameter allows (`>=TLSv1.2`, `!SSLv3`, `TLSv1.2, TLSv1.3`).
    Raises TlsFailure where it allows none."""
    words = parameter.replace(",", " ").replace(":", " ").split()
    allowed = list(_VERSIONS)
    if named := [word for word in words if word[0] not in "!<>"]:
        allowed = [version for version in _VERSIONS if version in named]
    for word in words:
        if word.startswith(">="):
            allowed = [v for v in allowed if word[2:] not in _VERSIONS or _VERSIONS.index(v) >= _VERSIONS.index(word[2:])]
        elif word.startswith("<="):
            allowed = [v for v in allowed if word[2:] not in _VERSIONS or _VERSIONS.index(v) <= _VERSIONS.index(word[2:])]
        elif word.startswith("!"):
            allowed = [v for v in allowed if v != word[1:]]
    if not allowed:
        raise TlsFailure(f"no TLS protocol is allowed by {parameter!r}")
    return allowed[0], allowed[-1]


def _with_certificate(facts: TlsFacts, certificate: bytes, digest: str) -> TlsFacts:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    parsed = x509.load_der_x509_certificate(certificate)
    key = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return TlsFacts(
        facts.protocol,
        facts.cipher,
        facts.bits,
        _common_name(parsed.subject),
        _common_name(parsed.issuer),
        _fingerprint(certificate, digest),
        _fingerprint(key, digest),
        trusted=True,
    )


def _common_name(name: Any) -> str:
    from cryptography.x509.oid import NameOID

    values = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(values[0].value) if values else ""


def _fingerprint(octets: bytes, digest: str) -> str:
    return ":".join(f"{octet:02X}" for octet in hashlib.new(digest, octets, usedforsecurity=False).digest())
