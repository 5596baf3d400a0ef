"""The server side of TLS: contexts out of the smtpd_tls_* parameters, and what a handshake told (TLS_README)."""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import structs

from gatepost.net import client_certificates, handshake, openssl
from gatepost.net.handshake_watch import states_of, watch
from gatepost.net.server_names import ServerNames
from gatepost.net.ticket_callback import use_tickets
from gatepost.net.tickets import TicketKeys, Tickets
from gatepost.net.tls_parameters import NoCertificates, TlsSettings, identify, loaded, restrict

if TYPE_CHECKING:
    import ssl


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
    smtpd_tls_loglevel: int
    smtpd_tls_loglevel_maps: str
    tls_preempt_cipherlist: bool
    tls_trust_server_ccerts: bool

    @property
    def level(self) -> str:
        """smtpd_tls_security_level, or what the older parameters make of it: "" and `none` are no TLS."""
        if self.smtpd_tls_security_level:
            return self.smtpd_tls_security_level.lower()
        return "encrypt" if self.smtpd_enforce_tls else "may" if self.smtpd_use_tls else ""

    @property
    def tells_states(self) -> bool:
        """Whether the log may want the states of handshakes (smtpd_tls_loglevel = 2)."""
        return self.smtpd_tls_loglevel >= 2 or bool(self.smtpd_tls_loglevel_maps)

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
    hexadecimal; empty without a certificate. `distrust`: what OpenSSL has against the certificate's chain; `names`: subject and
    issuer as the log has them, `/CN=client.example.test`; `states`: those that the handshake went through, where they are told."""

    subject: str = ""
    issuer: str = ""
    fingerprint: str = ""
    pubkey_fingerprint: str = ""
    trusted: bool = False
    distrust: str = ""
    names: tuple[str, ...] = ()
    states: tuple[str, ...] = ()


_SHORTEST: Final = 120  # seconds that a session can be resumed, at least (smtpd_tls_session_cache_timeout)
_LEVELS: Final = frozenset(("", "none", "may", "encrypt"))


class ServerTls:
    """A compiled TLS configuration. `required`: the security level is `encrypt`. `warnings`: what to log of the parameters.
    `asks`: clients are asked for a certificate; `insists`: who shows none that is trusted is sent away after the handshake.
    `cipher_list`: OpenSSL's, for the log."""

    __slots__ = ("_digest", "_strict", "asks", "cipher_list", "context", "insists", "required", "warnings")

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
        self.cipher_list = _ciphers(settings, required=self.required, asks=self.asks)
        self.context = _context(settings, self.cipher_list, required=self.required, asks=self.asks)
        listen = watch(self.context, states=settings.tells_states)
        lifetime = settings.smtpd_tls_session_cache_timeout
        if tickets is not None and lifetime > 0:
            demand = "require" if self.insists else "ask" if self.asks else "none"
            keys = TicketKeys(tickets, f"{demand} {_judgement(settings) if self.asks else ''}", max(lifetime, _SHORTEST))
            if not use_tickets(self.context, keys):
                self.warnings += (f"each worker keeps session ticket keys of its own: {openssl.why_not() or 'OpenSSL is too old'}",)
        if names is not None:

            def complete(another: "ssl.SSLContext") -> None:
                _trust(another, settings)
                listen(another)

            self.context.sni_callback = names.chooser(complete)
        self._strict = self.asks and not client_certificates.ask_without_insisting(self.context)
        if self._strict:
            self.warnings += ("smtpd_tls_ask_ccert: this Python can take only client certificates that verify",)
        if settings.tls_trust_server_ccerts and self.asks and not openssl.trust_any_purpose(self.context):
            self.warnings += ("tls_trust_server_ccerts: this Python can take only certificates that are for clients",)

    def describe(self, connected: Any, *, details: bool = True) -> TlsFacts:
        """The facts of a finished handshake (`ssl.SSLObject`), with the `details` where somebody is told of them."""
        facts = TlsFacts(**structs.asdict(handshake.read(connected, details=details)), states=states_of(connected))
        certificate = connected.getpeercert(binary_form=True)
        if not certificate:
            return facts
        shown = client_certificates.read(certificate, self._digest)
        # Where the handshake itself insists, whatever is shown has been verified by now.
        verdict = (0, "") if self._strict else openssl.verification(connected)
        distrust = client_certificates.distrust(*verdict, shown.names[1])
        return structs.replace(facts, **structs.asdict(shown), trusted=not distrust, distrust=distrust)


def _context(settings: TlsServerSettings, ciphers: str, *, required: bool, asks: bool) -> "ssl.SSLContext":
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
    context.num_tickets = 1  # of TLS 1.3, as Postfix does
    restrict(
        context,
        protocols=settings.smtpd_tls_mandatory_protocols if required else settings.smtpd_tls_protocols,
        ciphers=ciphers,
        options=settings.tls_ssl_options,
        workarounds=settings.tls_disable_workarounds,
        curves=settings.tls_eecdh_auto_curves,
    )
    if settings.smtpd_tls_session_cache_timeout > 0:
        openssl.limit_sessions(context, max(settings.smtpd_tls_session_cache_timeout, _SHORTEST))
    else:
        openssl.forget_sessions(context)
    if settings.tls_preempt_cipherlist:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:  # which Python turns on
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if (file := settings.smtpd_tls_dh1024_param_file) and file != "auto":
        loaded(lambda: context.load_dh_params(file), file)
    _trust(context, settings)
    if settings.smtpd_tls_req_ccert and required:
        context.verify_mode = ssl.CERT_OPTIONAL  # where OpenSSL cannot be asked, what is shown must verify in the handshake
    return context


def _trust(context: "ssl.SSLContext", settings: TlsServerSettings) -> None:
    """Whom a context believes what clients' certificates say."""
    file, path = settings.smtpd_tls_CAfile, settings.smtpd_tls_CApath
    if file or path:
        loaded(lambda: context.load_verify_locations(file or None, path or None), file or path)
    if settings.tls_append_default_CA:
        context.load_default_certs()
    openssl.limit_depth(context, settings.smtpd_tls_ccert_verifydepth)


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
