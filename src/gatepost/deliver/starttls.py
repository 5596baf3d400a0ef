"""Bringing a connection to the security that its policy asks for (RFC 3207): STARTTLS, the certificate, the second hello."""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gatepost.deliver.smtp_connection import Connection
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.deliver.tls_policy import Level, TlsPolicy
from gatepost.mail.outcome import Class, Outcome
from gatepost.net import handshake
from gatepost.net.client_tls import (
    ContextSpec,
    certificate_names,
    client_context,
    fingerprint_matches,
    name_matches,
)
from gatepost.net.tls_parameters import TlsFailure
from gatepost.proto.smtp.client import Event

if TYPE_CHECKING:
    import ssl

_VERIFIED = (Level.VERIFY, Level.SECURE)
_TRUST = {Level.VERIFY: "Verified", Level.SECURE: "Verified", Level.FINGERPRINT: "Verified"}


class NoSecurity(Exception):
    """The connection does not reach the security asked for. `plain`: without TLS it may do, where policy allows that."""

    def __init__(self, outcome: Outcome, *, plain: bool = False) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome
        self.plain = plain


class Security:
    """Secures connections of one service; contexts are made once for each kind of policy. `note`: for the log, what
    smtp_tls_loglevel asks for."""

    def __init__(self, settings: SmtpSettings, note: Callable[[str], None]) -> None:
        self._settings = settings
        self._note = note
        self._contexts: dict[ContextSpec, ssl.SSLContext] = {}

    async def hello(self, connection: Connection, policy: TlsPolicy) -> None:
        """After the server's first hello: STARTTLS where policy wants it and the server offers it. Raises NoSecurity, Broken."""
        client = connection.client
        label = connection.host.label
        if policy.level is Level.NONE:
            if self._settings.smtp_tls_note_starttls_offer and "STARTTLS" in client.offered.keywords:
                self._note(f"Host offered STARTTLS: [{connection.host.name}]")
            return
        required = policy.level >= Level.ENCRYPT
        if "STARTTLS" not in client.offered.keywords:
            if required:
                raise NoSecurity(_deferred("4.7.4", f"TLS is required, but was not offered by host {label}"))
            return
        context = self._engine(policy)  # before the server waits for a handshake
        client.start_tls()
        await connection.said()
        if client.refusal is not None:
            if required:
                text = f"TLS is required, but host {label} refused to start TLS: {client.refusal.text}"
                raise NoSecurity(_deferred("4.7.4", text))
            client.refusal = None
            return
        await self._secure(connection, policy, context)
        client.hello()
        if await connection.said() is Event.REFUSED:
            raise NoSecurity(_deferred("4.7.5", f"host {label} refused to talk to me: {client.refusal and client.refusal.text}"))

    async def wrap(self, connection: Connection, policy: TlsPolicy) -> None:
        """TLS at once, under a policy that wants it (smtp_tls_wrappermode). Raises NoSecurity and Broken."""
        if policy.level < Level.ENCRYPT:
            kind = "lmtp" if self._settings.lmtp else "smtp"
            self._note(f'{kind}_tls_wrappermode requires "{kind}_tls_security_level = encrypt" (or stronger)')
            raise NoSecurity(_deferred("4.7.5", "client TLS configuration problem"))
        await self._secure(connection, policy, self._engine(policy))

    def _engine(self, policy: TlsPolicy) -> "ssl.SSLContext":
        """Our side of TLS under this policy. Raises NoSecurity."""
        try:
            return self._context(policy)
        except TlsFailure as error:
            text = "TLS is required, but our TLS engine is unavailable"
            raise NoSecurity(_deferred("4.7.5", text, str(error)), plain=True) from None

    async def _secure(self, connection: Connection, policy: TlsPolicy, context: "ssl.SSLContext") -> None:
        """The TLS handshake, and whether the server is who it should be. Raises NoSecurity and Broken."""
        import ssl

        name = policy.servername or None
        try:
            await connection.upgrade(context, name, self._settings.smtp_starttls_timeout)
        except ssl.SSLCertVerificationError as error:
            raise NoSecurity(_deferred("4.7.5", "Server certificate not verified", error.verify_message)) from None
        except (OSError, EOFError) as error:
            raise NoSecurity(_deferred("4.7.5", "Cannot start TLS: handshake failure", str(error)), plain=True) from None
        tls: Any = connection.extra("ssl_object")
        if not self._matches(tls, policy):
            raise NoSecurity(_deferred("4.7.5", "Server certificate not verified"))
        if self._settings.smtp_tls_loglevel:
            trust = _TRUST.get(policy.level, "Untrusted")
            self._note(f"{trust} TLS connection established to {connection.host.relay}: {handshake.read(tls)}")

    def _matches(self, tls: Any, policy: TlsPolicy) -> bool:
        """Whether the server's certificate is one that policy accepts."""
        if policy.level is Level.FINGERPRINT:
            der = tls.getpeercert(binary_form=True) or b""
            return fingerprint_matches(der, self._settings.smtp_tls_fingerprint_digest, policy.match)
        if policy.level in _VERIFIED:
            names = certificate_names(tls.getpeercert() or {})
            many = self._settings.tls_wildcard_matches_multiple_labels
            return any(name_matches(name, wanted, many_labels=many) for name in names for wanted in policy.match)
        return True

    def _context(self, policy: TlsPolicy) -> "ssl.SSLContext":
        settings = self._settings
        chained = policy.level in _VERIFIED
        excluded = f"{policy.exclude} aNULL" if policy.level > Level.ENCRYPT else policy.exclude
        spec = ContextSpec(
            protocols=policy.protocols,
            ciphers=settings.cipher_list(policy.ciphers, excluded),
            options=settings.tls_ssl_options,
            curves=settings.tls_eecdh_auto_curves,
            verify=chained,
            ca_file=settings.smtp_tls_CAfile,
            ca_path=settings.smtp_tls_CApath,
            system_roots=settings.tls_append_default_CA,
            anchors=policy.anchors if chained else "",
            depth=settings.smtp_tls_scert_verifydepth,
            chain_files=settings.smtp_tls_chain_files,
            pairs=(
                (settings.smtp_tls_cert_file, settings.smtp_tls_key_file),
                (settings.smtp_tls_eccert_file, settings.smtp_tls_eckey_file),
            ),
        )
        context = self._contexts.get(spec)
        if context is None:
            if policy.level is Level.FINGERPRINT and settings.smtp_tls_fingerprint_digest not in hashlib.algorithms_available:
                raise TlsFailure(f"unknown digest: {settings.smtp_tls_fingerprint_digest}")
            context = self._contexts[spec] = client_context(spec)
        return context


def _deferred(enhanced: str, text: str, reason: str = "") -> Outcome:
    return Outcome(Class.TEMPORARY, enhanced, text, reason=reason)
