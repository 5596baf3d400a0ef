"""The server side of TLS: contexts out of the smtpd_tls_* parameters, and what a handshake told (TLS_README)."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, structs

from gatepost.net import client_certificates

if TYPE_CHECKING:
    import ssl

    from cryptography import x509


class TlsServerSettings(Struct, frozen=True):
    """Parameters of smtpd's TLS; lists as written."""

    smtpd_tls_security_level: str
    smtpd_tls_chain_files: str
    smtpd_tls_cert_file: str
    smtpd_tls_key_file: str
    smtpd_tls_eccert_file: str
    smtpd_tls_eckey_file: str
    smtpd_tls_CAfile: str
    smtpd_tls_CApath: str
    smtpd_tls_protocols: str
    smtpd_tls_mandatory_protocols: str
    smtpd_tls_ask_ccert: bool
    smtpd_tls_req_ccert: bool
    smtpd_tls_fingerprint_digest: str
    tls_preempt_cipherlist: bool

    @property
    def requires_tls(self) -> bool:
        """Whether clients may say nothing of importance in the clear."""
        return self.smtpd_tls_security_level == "encrypt"


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


_PEM: Final = re.compile(r"-----BEGIN (?P<kind>[A-Z0-9 ]+)-----.*?-----END (?P=kind)-----", re.S)
_VERSIONS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


class ServerTls:
    """A compiled TLS configuration. `required`: the security level is `encrypt`. `warnings`: what to log of the parameters.
    `asks`: clients are asked for a certificate."""

    __slots__ = ("_authorities", "_digest", "asks", "context", "required", "warnings")

    def __init__(self, settings: TlsServerSettings, *, wrapper: bool = False) -> None:
        """Raises TlsFailure."""
        self.required = settings.requires_tls or wrapper
        self._digest = settings.smtpd_tls_fingerprint_digest or "md5"
        insists = settings.smtpd_tls_req_ccert and self.required
        self.asks = settings.smtpd_tls_ask_ccert or insists
        self.warnings: tuple[str, ...] = ()
        if settings.smtpd_tls_req_ccert and not self.required:
            self.warnings += ("Can't require client certs unless TLS is required",)
        self.context = _context(settings, required=self.required)
        self._authorities = _authorities(settings.smtpd_tls_CAfile) if self.asks else []
        if self.asks and not insists and not client_certificates.ask_without_insisting(self.context):
            self.warnings += ("smtpd_tls_ask_ccert: this Python can take only client certificates that verify",)

    def describe(self, connected: Any) -> TlsFacts:
        """The facts of a finished handshake (`ssl.SSLObject`)."""
        name, _, bits = connected.cipher() or ("", "", 0)
        facts = TlsFacts(protocol=connected.version() or "", cipher=name, bits=bits)
        certificate = connected.getpeercert(binary_form=True)
        if not certificate:
            return facts
        shown = client_certificates.read(certificate, self._digest, self._authorities)
        return structs.replace(facts, **structs.asdict(shown))


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
    return context


def _load_certificates(context: "ssl.SSLContext", settings: TlsServerSettings) -> None:
    """smtpd_tls_chain_files, else the certificate and key parameters."""
    if files := settings.smtpd_tls_chain_files.replace(",", " ").split():
        for pem in chains(files):
            _load_pem(context, pem, settings.smtpd_tls_chain_files)
        return
    pairs = (
        (settings.smtpd_tls_cert_file, settings.smtpd_tls_key_file),
        (settings.smtpd_tls_eccert_file, settings.smtpd_tls_eckey_file),
    )
    for certificate, key in pairs:
        if certificate and certificate != "none":
            _loaded(lambda c=certificate, k=key: context.load_cert_chain(c, k or None), certificate)


def chains(files: Sequence[str]) -> list[str]:
    """The chains in smtpd_tls_chain_files, each as PEM: a private key and the certificates that follow it, wherever one file ends
    and the next begins. Raises TlsFailure."""
    found: list[str] = []
    for file in files:
        try:
            text = Path(file).read_text("ascii", "replace")
        except OSError as error:
            raise TlsFailure(f"cannot load TLS certificates {file}: {error.strerror}") from error
        for one in _PEM.finditer(text):
            if one["kind"].endswith("PRIVATE KEY"):
                found.append("")
            elif not found:
                raise TlsFailure(f"cannot load TLS certificates {file}: a private key must come before its certificate")
            found[-1] += one[0] + "\n"
    return found


def _load_pem(context: "ssl.SSLContext", pem: str, files: str) -> None:
    """Load a chain through a file in memory: the ssl module takes nothing but names of files."""
    descriptor = os.memfd_create("chain", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, pem.encode())
        _loaded(lambda: context.load_cert_chain(f"/proc/self/fd/{descriptor}"), files)
    finally:
        os.close(descriptor)


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


def _authorities(file: str) -> list["x509.Certificate"]:
    """The certificates of smtpd_tls_CAfile. Raises TlsFailure."""
    if not file:
        return []
    try:
        return client_certificates.load_authorities(file)
    except (OSError, ValueError) as error:
        raise TlsFailure(f"cannot load {file}: {error}") from error
