"""Bringing a connection to the security that its policy asks for (RFC 3207): STARTTLS, the certificate, the second hello."""

import hashlib
from typing import TYPE_CHECKING, Any

from gatepost.deliver import failures
from gatepost.deliver.smtp_connection import Broken, Connection
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.deliver.sts_testing import objection
from gatepost.deliver.tls_level import BY_TLSA, Level
from gatepost.deliver.tls_policy import TlsPolicy, domain_of
from gatepost.events.notes import TlsEstablished, TlsFailed
from gatepost.events.records import Emit, Note
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.reason import because
from gatepost.net import handshake, openssl
from gatepost.net.client_tls import (
    ContextSpec,
    alternative_names,
    certificate_names,
    client_context,
    dane_context,
    fingerprint_matches,
    name_matches,
)
from gatepost.net.tls_parameters import TlsFailure
from gatepost.tlsrpt.outcome import Observe, ResultType, TlsOutcome
from gatepost.tlsrpt.result_types import of_certificate

if TYPE_CHECKING:
    import ssl

_VERIFIED = (Level.VERIFY, Level.SECURE)


class NoSecurity(Exception):
    """The connection does not reach the security asked for. `handshake`: TLS was begun and failed, after which a host may be tried
    without, where policy allows that."""

    def __init__(self, outcome: Outcome, *, handshake: bool = False) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome
        self.handshake = handshake


class NotRequiredTls(NoSecurity):
    """This server does not do for mail whose sender asks for REQUIRETLS; another one may."""


class Security:
    """Secures connections of one service, `service` in the log; contexts are made once for each kind of policy. `observe`: hears
    how the TLS of each came out, None: nobody does."""

    def __init__(self, settings: SmtpSettings, emit: Emit, service: str, observe: Observe | None = None) -> None:
        self._settings = settings
        self._emit = emit
        self._service = service
        self._observe = observe
        self._contexts: dict[ContextSpec, ssl.SSLContext] = {}

    async def hello(self, connection: Connection, policy: TlsPolicy) -> str:
        """After the server's first hello: STARTTLS where policy wants it and the server offers it, and the second hello. Returns
        why there is no TLS in spite of that offer, where policy can do without; else empty. Raises NoSecurity, Broken."""
        client = connection.client
        label = connection.host.label
        if policy.level is Level.NONE:
            if self._settings.smtp_tls_note_starttls_offer and "STARTTLS" in client.offered.keywords:
                self._note(f"Host offered STARTTLS: [{connection.host.name}]")
            return ""
        required = policy.level >= Level.ENCRYPT
        if "STARTTLS" not in client.offered.keywords:
            self._tested(connection, policy)
            self.tell_outcome(connection, policy, ResultType.STARTTLS_NOT_SUPPORTED)
            if required:
                raise NoSecurity(tls_failure("4.7.4", f"TLS is required, but was not offered by host {label}"))
            return ""
        try:
            context = self._context(policy)  # before the server waits for a handshake
        except TlsFailure as failure:
            if required:
                raise _no_engine(failure) from None
            self._note(f"{failure}: disabling TLS support", "warning")
            return "our TLS engine is unavailable"
        client.start_tls()
        try:
            await connection.said()
        except Broken as trouble:
            self.tell_outcome(connection, policy, ResultType.VALIDATION_FAILURE, f"{trouble} after STARTTLS")
            raise
        if client.refusal is not None:
            self._tested(connection, policy)
            self.tell_outcome(connection, policy, ResultType.STARTTLS_NOT_SUPPORTED, client.refusal.text)
            if required:
                raise NoSecurity(failures.refused_tls(client.refusal, label, connection.host.name))
            refusal, client.refusal = client.refusal, None
            return f"host {label} refused to start TLS: {refusal.text}"
        await self._secure(connection, policy, context)
        client.hello()
        await connection.said()
        return ""

    async def wrap(self, connection: Connection, policy: TlsPolicy) -> None:
        """TLS at once, under a policy that wants it (smtp_tls_wrappermode). Raises NoSecurity and Broken."""
        if policy.level < Level.ENCRYPT:
            kind = "lmtp" if self._settings.lmtp else "smtp"
            self._note(f'{kind}_tls_wrappermode requires "{kind}_tls_security_level = encrypt" (or stronger)')
            raise NoSecurity(tls_failure("4.7.5", "client TLS configuration problem"))
        try:
            context = self._context(policy)
        except TlsFailure as failure:
            raise _no_engine(failure) from None
        await self._secure(connection, policy, context)

    async def _secure(self, connection: Connection, policy: TlsPolicy, context: "ssl.SSLContext") -> None:
        """The TLS handshake, and whether the server is who it should be. Raises NoSecurity and Broken."""
        import ssl

        relay = connection.host.relay
        try:
            await connection.upgrade(context, policy.servername or None, self._settings.smtp_starttls_timeout)
        except ssl.SSLCertVerificationError as error:
            self._tell_unverified(policy, f"certificate verification failed for {relay}", error.verify_code, error.verify_message)
            self.tell_outcome(connection, policy, of_certificate(error.verify_code), error.verify_message)
            raise NoSecurity(tls_failure("4.7.5", "Server certificate not verified", error.verify_message)) from None
        except Broken as trouble:
            self.tell_outcome(connection, policy, ResultType.VALIDATION_FAILURE, trouble.words)
            raise
        except (OSError, EOFError) as error:
            self._tell_failure(relay, error)
            self.tell_outcome(connection, policy, ResultType.VALIDATION_FAILURE, _words(error))
            raise NoSecurity(tls_failure("4.7.5", "Cannot start TLS: handshake failure", str(error)), handshake=True) from None
        connection.level = policy.level
        tls: Any = connection.extra("ssl_object")
        matches = self._matches(tls, policy)
        if policy.level > Level.ENCRYPT and not matches:
            number, words = _mismatch(tls, policy.level)
            self._tell_unverified(policy, f"server certificate verification failed for {relay}", number, words)
            self.tell_outcome(connection, policy, of_certificate(number, by_tlsa=policy.level in BY_TLSA), words)
        else:
            self.tell_outcome(connection, policy, *self._tested(connection, policy, tls))
        if policy.loglevel:
            secured = matches and policy.level > Level.ENCRYPT and policy.level is not Level.HALF_DANE
            trust = "Verified" if secured else _trust(tls, policy)
            self._emit(TlsEstablished(self._service, trust, "to", relay, str(handshake.read(tls))))
        if not matches:
            raise NoSecurity(tls_failure("4.7.5", "Server certificate not verified"))

    def _tested(self, connection: Connection, policy: TlsPolicy, tls: Any = None) -> tuple[ResultType | None, str]:
        """What a policy of MTA-STS that is only tested has against a connection, which the log is told of."""
        found = policy.sts
        if found is None or found.policy is None or found.enforced:
            return None, ""
        against = objection(found.policy, connection.host.name, tls)
        if against is None:
            return None, ""
        self._note(f"{found.title}: mail goes to {connection.host.label} all the same, though {against[1]}", "warning")
        return against

    def tell_outcome(self, connection: Connection, policy: TlsPolicy, result: ResultType | None = None, reason: str = "") -> None:
        """Whoever makes reports hears how the TLS of a connection came out under a policy: well, or `result`."""
        if self._observe is None or policy.reported is None:
            return
        host, own = connection.host, connection.extra("sockname")
        tls: Any = connection.extra("ssl_object")
        own_address = own[0] if isinstance(own, tuple) else ""
        resumed = result is None and bool(tls.session_reused)
        domain = domain_of(connection.site)
        self._observe(TlsOutcome(domain, policy.reported, host.name, host.address, result, reason, own_address, resumed))

    def _tell_failure(self, relay: str, error: Exception) -> None:
        """A handshake failed."""
        import ssl

        if isinstance(error, ssl.SSLError) and error.reason:
            self._emit(TlsFailed(self._service, "SSL_connect", "to", relay, "-1"))
            words = error.reason.lower().replace("_", " ")
            self._note(f"TLS library problem: error:{error.library} routines::{words}", "warning")
        else:
            reason = "Connection timed out" if isinstance(error, TimeoutError) else "lost connection"
            self._emit(TlsFailed(self._service, "SSL_connect", "to", relay, reason))

    def _tell_unverified(self, policy: TlsPolicy, what: str, number: int, words: str) -> None:
        if policy.loglevel:
            self._note(f"{what}: num={number}:{words}")

    def _note(self, text: str, severity: str = "") -> None:
        self._emit(Note(self._service, text, severity))

    def _matches(self, tls: Any, policy: TlsPolicy) -> bool:
        """Whether the server's certificate is one that policy accepts."""
        if policy.level is Level.FINGERPRINT:
            der = tls.getpeercert(binary_form=True) or b""
            return fingerprint_matches(der, self._settings.smtp_tls_fingerprint_digest, policy.match)
        if policy.level in _VERIFIED:
            names = (alternative_names if policy.by_sts else certificate_names)(tls.getpeercert() or {})
            many = self._settings.tls_wildcard_matches_multiple_labels and not policy.by_sts
            return any(name_matches(name, wanted, many_labels=many) for name in names for wanted in policy.match)
        if policy.level in BY_TLSA:
            from gatepost.net import dane

            return dane.matches(tls)
        return True

    def _context(self, policy: TlsPolicy) -> "ssl.SSLContext":
        settings = self._settings
        chained = policy.level in _VERIFIED
        excluded = f"{policy.exclude} aNULL" if policy.level > Level.ENCRYPT else policy.exclude
        spec = ContextSpec(
            protocols=policy.protocols,
            ciphers=settings.cipher_list(policy.ciphers, excluded),
            options=settings.tls_ssl_options,
            workarounds=settings.tls_disable_workarounds,
            curves=settings.tls_eecdh_auto_curves,
            verify=chained,
            ca_file=settings.smtp_tls_CAfile,
            ca_path=settings.smtp_tls_CApath,
            system_roots=settings.tls_append_default_CA or policy.by_sts or (policy.sts is not None and not chained),
            anchors=policy.anchors if chained else "",
            depth=settings.smtp_tls_scert_verifydepth,
            chain_files=settings.smtp_tls_chain_files,
            pairs=(
                (settings.smtp_tls_cert_file, settings.smtp_tls_key_file),
                (settings.smtp_tls_eccert_file, settings.smtp_tls_eckey_file),
            ),
        )
        if policy.records:
            return dane_context(spec, policy.records, policy.match, settings.tls_dane_digests)
        context = self._contexts.get(spec)
        if context is None:
            if policy.level is Level.FINGERPRINT and settings.smtp_tls_fingerprint_digest not in hashlib.algorithms_available:
                raise TlsFailure(f"unknown digest: {settings.smtp_tls_fingerprint_digest}")
            context = self._contexts[spec] = client_context(spec)
        return context


_MISMATCHES = dict.fromkeys(_VERIFIED, (62, "hostname mismatch")) | {Level.FINGERPRINT: (65, "no matching DANE TLSA records")}
"""OpenSSL's numbers and words for a certificate that is another's (X509_STORE_CTX_get_error(3)); Postfix matches fingerprints as
DANE records."""


def _trust(tls: Any, policy: TlsPolicy) -> str:
    """What the server's certificate is to us, where it is not the one that a level asks for (smtp_tls_loglevel)."""
    if not tls.getpeercert(binary_form=True):
        return "Anonymous"
    return "Trusted" if policy.level not in _MISMATCHES and openssl.is_verified(tls) else "Untrusted"


def _mismatch(tls: Any, level: Level) -> tuple[int, str]:
    """OpenSSL's number and words for a certificate that policy does not accept."""
    return openssl.verification(tls) if level in BY_TLSA else _MISMATCHES[level]


def _words(error: Exception) -> str:
    """What broke a handshake off."""
    words = getattr(error, "reason", None) or error
    return str(words).lower().replace("_", " ") or "connection lost or timed out"


def _no_engine(failure: TlsFailure) -> NoSecurity:
    return NoSecurity(tls_failure("4.7.5", "TLS is required, but our TLS engine is unavailable", str(failure)))


def tls_failure(enhanced: str, text: str, reason: str = "") -> Outcome:
    """The outcome of a connection that is not secure enough."""
    return Outcome(Class.TEMPORARY, enhanced, text, why=because("STARTTLS", reason=reason or text))
