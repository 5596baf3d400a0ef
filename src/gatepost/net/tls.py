"""The server side of TLS: contexts out of the smtpd_tls_* parameters, and what a handshake told (TLS_README)."""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import structs

from gatepost.net import client_certificates, handshake, openssl
from gatepost.net.server_names import ServerNames
from gatepost.net.ticket_callback import use_tickets
from gatepost.net.tickets import TicketKeys, Tickets
from gatepost.net.tls_parameters import NoCertificates, TlsFailure, TlsSettings, identify, loaded, restrict

if TYPE_CHECKING:
    import ssl

    from cryptography import x509


class TlsServerSettings(TlsSettings, frozen=True, kw_only=True):
    """Parameters of smtpd's TLS; lists as written."""

    smtpd_tls_security_level: str
    smtpd_enforce_tls: bool
    smtpd_use_tls: bool
    smtpd_tls_chain_files: str
    smtpd_tls_cert_file: str
    smtpd_tls_key_file: str
    smtpd_tls_eccert_file: str
    smtpd_tls_eckey_file: str
    smtpd_tls_CAfile: str
    smtpd_tls_CApath: str
    smtpd_tls_protocols: str
    smtpd_tls_mandatory_protocols: str
    smtpd_tls_ciphers: str
    smtpd_tls_mandatory_ciphers: str
    smtpd_tls_exclude_ciphers: str
    smtpd_tls_mandatory_exclude_ciphers: str
    smtpd_tls_dh1024_param_file: str
    smtpd_tls_ask_ccert: bool
    smtpd_tls_ccert_verifydepth: int
    smtpd_tls_req_ccert: bool
    smtpd_tls_session_cache_timeout: int
    smtpd_tls_fingerprint_digest: str
    tls_preempt_cipherlist: bool

    @property
    def level(self) -> str:
        """smtpd_tls_security_level, or what the older parameters make of it: "" and `none` are no TLS."""
        if self.smtpd_tls_security_level:
            return self.smtpd_tls_security_level.lower()
        return "encrypt" if self.smtpd_enforce_tls else "may" if self.smtpd_use_tls else ""

    @property
    def offers_tls(self) -> bool:
        """Whether clients may use TLS."""
        return self.level not in ("", "none")

    def identified(self, *, anonymous: bool) -> bool:
        """Whether there is a certificate to show; with `anonymous`, `none` for a file says that there shall be none."""
        files = {self.smtpd_tls_chain_files, self.smtpd_tls_cert_file, self.smtpd_tls_eccert_file} - {""}
        return bool(files if anonymous else files - {"none"})

    @property
    def requires_tls(self) -> bool:
        """Whether clients may say nothing of importance in the clear; more than that no level of the server can ask."""
        return self.level not in ("", "none", "may")


class TlsFacts(handshake.Handshake, frozen=True, kw_only=True):
    """What a handshake told. `subject` and `issuer` are common names of the client's certificate, fingerprints colon-separated
    hexadecimal; empty without a certificate."""

    subject: str = ""
    issuer: str = ""
    fingerprint: str = ""
    pubkey_fingerprint: str = ""
    trusted: bool = False


_SHORTEST: Final = 120  # seconds that a session can be resumed, at least (smtpd_tls_session_cache_timeout)
_LEVELS: Final = frozenset(("", "none", "may", "encrypt"))


class ServerTls:
    """A compiled TLS configuration. `required`: the security level is `encrypt`. `warnings`: what to log of the parameters.
    `asks`: clients are asked for a certificate; `insists`: who shows none is sent away after the handshake."""

    __slots__ = ("_authorities", "_digest", "asks", "context", "insists", "required", "warnings")

    def __init__(
        self,
        settings: TlsServerSettings,
        *,
        wrapper: bool = False,
        names: ServerNames | None = None,
        tickets: Tickets | None = None,
    ) -> None:
        """`names`: other certificates for other names (tls_server_sni_maps); `tickets`: what keys of session tickets come from,
        which all workers share. Raises TlsFailure."""
        self.required = settings.requires_tls or wrapper
        self._digest = settings.smtpd_tls_fingerprint_digest or "md5"
        self.insists = settings.smtpd_tls_req_ccert and self.required
        self.asks = settings.smtpd_tls_ask_ccert or self.insists
        self.warnings: tuple[str, ...] = ()
        if settings.smtpd_tls_req_ccert and not self.required:
            self.warnings += ("Can't require client certs unless TLS is required",)
        if settings.level not in _LEVELS:
            self.warnings += (f'smtpd_tls_security_level: unsupported TLS level "{settings.level}", using "encrypt"',)
        self.context = _context(settings, required=self.required, asks=self.asks)
        lifetime = settings.smtpd_tls_session_cache_timeout
        if tickets is not None and lifetime > 0:
            demand = "require" if self.insists else "ask" if self.asks else "none"
            keys = TicketKeys(tickets, f"{demand} {_judgement(settings) if self.asks else ''}", max(lifetime, _SHORTEST))
            if not use_tickets(self.context, keys):
                self.warnings += (f"each worker keeps session ticket keys of its own: {openssl.why_not() or 'OpenSSL is too old'}",)
        if names is not None:
            self.context.sni_callback = names.choose
        self._authorities = _authorities(settings.smtpd_tls_CAfile) if self.asks else []
        if self.asks and not self.insists and not client_certificates.ask_without_insisting(self.context):
            self.warnings += ("smtpd_tls_ask_ccert: this Python can take only client certificates that verify",)

    def describe(self, connected: Any) -> TlsFacts:
        """The facts of a finished handshake (`ssl.SSLObject`)."""
        facts = TlsFacts(**structs.asdict(handshake.read(connected)))
        certificate = connected.getpeercert(binary_form=True)
        if not certificate:
            return facts
        shown = client_certificates.read(certificate, self._digest, self._authorities)
        return structs.replace(facts, **structs.asdict(shown))


def _context(settings: TlsServerSettings, *, required: bool, asks: bool) -> "ssl.SSLContext":
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if not settings.identified(anonymous=not asks):
        raise NoCertificates
    identify(
        context,
        settings.smtpd_tls_chain_files,
        (
            (settings.smtpd_tls_cert_file, settings.smtpd_tls_key_file),
            (settings.smtpd_tls_eccert_file, settings.smtpd_tls_eckey_file),
        ),
    )
    restrict(
        context,
        protocols=settings.smtpd_tls_mandatory_protocols if required else settings.smtpd_tls_protocols,
        ciphers=_ciphers(settings, required=required, asks=asks),
        options=settings.tls_ssl_options,
        curves=settings.tls_eecdh_auto_curves,
    )
    if settings.smtpd_tls_session_cache_timeout > 0:
        openssl.limit_sessions(context, max(settings.smtpd_tls_session_cache_timeout, _SHORTEST))
    else:
        openssl.forget_sessions(context)
    if settings.tls_preempt_cipherlist:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    if (file := settings.smtpd_tls_dh1024_param_file) and file != "auto":
        loaded(lambda: context.load_dh_params(file), file)
    file, path = settings.smtpd_tls_CAfile, settings.smtpd_tls_CApath
    if file or path:
        loaded(lambda: context.load_verify_locations(file or None, path or None), file or path)
    openssl.limit_depth(context, settings.smtpd_tls_ccert_verifydepth)
    if settings.smtpd_tls_req_ccert and required:
        context.verify_mode = ssl.CERT_OPTIONAL  # what is shown must verify; whoever shows none is told so, after the handshake
    return context


def _ciphers(settings: TlsServerSettings, *, required: bool, asks: bool) -> str:
    """OpenSSL's cipher list; clients that are asked for a certificate cannot remain anonymous. Raises TlsFailure."""
    grade, excluded = settings.smtpd_tls_ciphers, settings.smtpd_tls_exclude_ciphers
    if required:
        grade, excluded = settings.smtpd_tls_mandatory_ciphers, f"{excluded} {settings.smtpd_tls_mandatory_exclude_ciphers}"
    return settings.cipher_list(grade, f"{excluded} aNULL" if asks else excluded)


def _judgement(settings: TlsServerSettings) -> str:
    """All by which clients are judged: the parameters, and who may vouch for them. What is resumed is not judged again, so that a
    session must not outlive a change of this."""
    digest = hashlib.sha256(msgspec.json.encode(settings))
    for file in _files(settings.smtpd_tls_CAfile, settings.smtpd_tls_CApath):
        with contextlib.suppress(OSError):  # whoever needs it tells
            digest.update(f"\0{file}\0".encode("utf-8", "surrogateescape") + Path(file).read_bytes())
    return digest.hexdigest()


def _files(file: str, folder: str) -> list[str]:
    """The files of authorities."""
    try:
        inside = sorted(os.path.join(folder, name) for name in os.listdir(folder)) if folder else []
    except OSError:
        inside = []
    return [one for one in (file, *inside) if os.path.isfile(one)]


def _authorities(file: str) -> list["x509.Certificate"]:
    """The certificates of smtpd_tls_CAfile. Raises TlsFailure."""
    if not file:
        return []
    try:
        return client_certificates.load_authorities(file)
    except (OSError, ValueError) as error:
        raise TlsFailure(f"cannot load {file}: {error}") from error
