"""One look at a server's TLS, told line by line (posttls-finger(1)): greeting, STARTTLS, handshake, and what its certificate is
worth to a policy. It blocks, for a command that does nothing else."""

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.deliver.tls_level import BadTlsPolicy, Level
from gatepost.deliver.tls_policy import domain_of
from gatepost.net import client_certificates, handshake, openssl
from gatepost.net.client_tls import (
    ContextSpec,
    certificate_names,
    client_context,
    fingerprint_matches,
    name_matches,
    parsed_certificate,
)
from gatepost.net.dns import AresResolver
from gatepost.net.handshake_watch import faults_of
from gatepost.net.port import DnsFailure, NotFound
from gatepost.net.tls_parameters import TlsFailure

if TYPE_CHECKING:
    import ssl

FAMILIES = {"any": socket.AF_UNSPEC, "ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
_LEVELS = (Level.MAY, Level.ENCRYPT, Level.FINGERPRINT, Level.VERIFY, Level.SECURE)
_LONGEST = 65536  # octets of a reply that are read


class Refused(Exception):
    """There is no session, or none as secure as was asked for; the text says why."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for.

    - `level`, `match`: as in smtp_tls_policy_maps; without names, those that are usual for the level.
    - `servername`: for SNI; `digest`: of fingerprints; `wrapped`: TLS from the start.
    - `time_limit`: seconds for each wait; `family`: of the addresses that are tried, one of FAMILIES.
    - `talks`: the dialogue is shown, and goes on after the handshake; `shows_chain`: the certificate in PEM.
    """

    level: Level
    match: tuple[str, ...] = ()
    servername: str = ""
    digest: str = "sha256"
    wrapped: bool = False
    time_limit: float = 30.0
    family: str = "any"
    talks: bool = True
    shows_chain: bool = False


class Finger:
    """Looks at servers. `settings`: smtp(8)'s, for protocols, ciphers and authorities. Raises BadTlsPolicy for other levels."""

    def __init__(self, wanted: Wanted, settings: SmtpSettings) -> None:
        if wanted.level not in _LEVELS:
            known = ", ".join(one.name.lower() for one in _LEVELS)
            raise BadTlsPolicy(f"level {wanted.level.name.lower()} cannot be shown, these can: {known}")
        self._wanted = wanted
        self._settings = settings

    def look(self, destination: str) -> Iterator[str]:
        """The lines for `domain`, `domain:port`, `[host]` or `[host]:port`: of the first host that lets us in. Raises Refused."""
        port = destination.rpartition("]")[2].partition(":")[2] or "25"
        why = ""
        for host in self._hosts(destination):
            try:
                connected = self._connected(host, port)
            except OSError as error:
                why = f"connect to {host}:{port}: {error.strerror or error}"
                continue
            with connected:
                yield from self._session(connected, host, domain_of(destination))
            return
        raise Refused(f"Failed to establish session to {destination}: {why or 'no hosts'}")

    def _hosts(self, destination: str) -> list[str]:
        domain = domain_of(destination)
        if destination.startswith("["):
            return [domain]

        async def exchangers() -> list[str]:
            try:
                return [one.host for one in sorted(await AresResolver(time.monotonic).mx(domain))]
            except NotFound:
                return [domain]

        try:
            return asyncio.run(exchangers())
        except DnsFailure as failure:
            raise Refused(f"Failed to establish session to {destination}: {failure}") from None

    def _connected(self, host: str, port: str) -> socket.socket:
        """Raises OSError."""
        error: OSError = OSError("no address")
        for family, kind, _, _, address in socket.getaddrinfo(host, port, FAMILIES[self._wanted.family], socket.SOCK_STREAM):
            plain = socket.socket(family, kind)
            plain.settimeout(self._wanted.time_limit)
            try:
                plain.connect(address)
                return plain
            except OSError as failure:
                plain.close()
                error = failure
        raise error

    def _session(self, plain: socket.socket, host: str, domain: str) -> Iterator[str]:
        wanted, (address, port) = self._wanted, plain.getpeername()[:2]
        relay = f"{host}[{address}]:{port}"
        dialogue = _Dialogue(plain, shown=wanted.talks)
        yield from dialogue.told(f"Connected to {relay}")
        try:
            if not wanted.wrapped:
                yield from dialogue.hear(2)
                yield from dialogue.say(f"EHLO {self._settings.smtp_helo_name}")
                if "STARTTLS" not in dialogue.keywords:
                    raise Refused(f"{relay}: STARTTLS is not offered")
                yield from dialogue.say("STARTTLS")
            with self._secured(plain, relay, host) as tls:
                yield from self._judged(tls, relay, host, domain)
                dialogue.socket = tls
                if wanted.talks:
                    if wanted.wrapped:
                        yield from dialogue.hear(2)
                    yield from dialogue.say(f"EHLO {self._settings.smtp_helo_name}")
                    yield from dialogue.say("QUIT")
        except OSError as error:
            raise Refused(f"{relay}: {error.strerror or error}") from None

    def _secured(self, plain: socket.socket, relay: str, host: str) -> "ssl.SSLSocket":
        """Raises Refused where the handshake fails, OSError where the connection does."""
        import ssl

        try:
            return self._context().wrap_socket(plain, server_hostname=self._wanted.servername or None)
        except TlsFailure as failure:
            raise Refused(str(failure)) from None
        except ssl.SSLError as error:
            raise Refused(f"SSL_connect error to {relay}: {'; '.join(faults_of(error))}") from None

    def _context(self) -> "ssl.SSLContext":
        """One that goes on whatever the certificate is: what it is worth is told afterwards. Raises TlsFailure."""
        settings, mandatory = self._settings, self._wanted.level >= Level.ENCRYPT
        excluded = f"{settings.smtp_tls_exclude_ciphers} {settings.smtp_tls_mandatory_exclude_ciphers if mandatory else ''}"
        grade = settings.smtp_tls_mandatory_ciphers if mandatory else settings.smtp_tls_ciphers
        context = client_context(
            ContextSpec(
                protocols=settings.smtp_tls_mandatory_protocols if mandatory else settings.smtp_tls_protocols,
                ciphers=settings.cipher_list(grade, excluded),
                options=settings.tls_ssl_options,
                workarounds=settings.tls_disable_workarounds,
                curves=settings.tls_eecdh_auto_curves,
                ca_file=settings.smtp_tls_CAfile,
                ca_path=settings.smtp_tls_CApath,
                system_roots=settings.tls_append_default_CA,
                depth=settings.smtp_tls_scert_verifydepth,
                pairs=((settings.smtp_tls_cert_file, settings.smtp_tls_key_file),),
            )
        )
        client_certificates.ask_without_insisting(context)
        return context

    def _judged(self, tls: "ssl.SSLSocket", relay: str, host: str, domain: str) -> Iterator[str]:
        """What the certificate says, and is worth; raises Refused after it where that is not enough."""
        import ssl

        wanted, der = self._wanted, tls.getpeercert(binary_form=True) or b""
        if not der:
            yield f"Anonymous TLS connection established to {relay}: {handshake.read(_as_object(tls))}"
            return
        shown, distrust = client_certificates.read(der, wanted.digest), openssl.verification(_as_object(tls))
        why = client_certificates.distrust(*distrust, shown.names[1])
        matched = self._matched(der, host, domain)
        if why and wanted.level > Level.FINGERPRINT:
            yield f"certificate verification failed for {relay}: {why}"
        elif wanted.level >= Level.FINGERPRINT and not matched:
            yield f"server certificate verification failed for {relay}: no name or fingerprint matches"
        if matched and wanted.level is Level.FINGERPRINT:
            yield f"{relay}: Matched fingerprint: {matched.replace(':', '').upper()}"
        elif matched:
            yield f"{relay}: matched peername: {matched}"
        yield (
            f"{relay}: subject_CN={shown.subject}, issuer_CN={shown.issuer}, fingerprint={shown.fingerprint}, "
            f"pkey_fingerprint={shown.pubkey_fingerprint}"
        )
        enough = bool(matched) and (wanted.level is Level.FINGERPRINT or not why)
        trust = "Verified" if enough else "Untrusted" if why or wanted.level >= Level.FINGERPRINT else "Trusted"
        yield f"{trust} TLS connection established to {relay}: {handshake.read(_as_object(tls))}"
        if wanted.shows_chain:
            yield f"---\n{ssl.DER_cert_to_PEM_cert(der)}"
        if wanted.level >= Level.FINGERPRINT and not enough:
            raise Refused(f"{relay}: the certificate is not one that level {wanted.level.name.lower()} accepts")

    def _matched(self, der: bytes, host: str, domain: str) -> str:
        """The name or fingerprint of the certificate that is one of those wanted; empty where none is, or none is asked for."""
        wanted = self._wanted
        if wanted.level is Level.FINGERPRINT:
            return next((one for one in wanted.match if fingerprint_matches(der, wanted.digest, [one])), "")
        if wanted.level < Level.FINGERPRINT:
            return ""
        names = {"hostname": host, "nexthop": domain, "dot-nexthop": f".{domain}"}
        usual = ("hostname",) if wanted.level is Level.VERIFY else ("nexthop", "dot-nexthop")
        many = self._settings.tls_wildcard_matches_multiple_labels
        asked = [names.get(one, one) for one in wanted.match or usual]
        shown = certificate_names(parsed_certificate(der))
        return next((name for name in shown for one in asked if name_matches(name, one, many_labels=many)), "")


def _as_object(tls: "ssl.SSLSocket") -> "ssl.SSLObject":
    """A socket has what those ask for who are told of connections."""
    connected: ssl.SSLObject = tls  # type: ignore[assignment]
    return connected


class _Dialogue:
    """Commands and replies, told as they go."""

    def __init__(self, connected: socket.socket, *, shown: bool) -> None:
        self.socket: socket.socket = connected
        self.keywords: frozenset[str] = frozenset()
        self._shown = shown

    def told(self, text: str) -> Iterator[str]:
        if self._shown:
            yield text

    def say(self, command: str) -> Iterator[str]:
        """A command and its reply. Raises OSError, Refused."""
        yield from self.told(f"> {command}")
        self.socket.sendall(command.encode() + b"\r\n")
        yield from self.hear(2)

    def hear(self, wanted: int) -> Iterator[str]:
        """A reply. Raises OSError, and Refused where it is of another class than `wanted`."""
        octets = b""
        while not _complete(octets):
            if not (more := self.socket.recv(4096)) or len(octets) > _LONGEST:
                raise Refused("the connection ended within a reply")
            octets += more
        lines = octets.decode("ascii", "replace").splitlines()
        for line in lines:
            yield from self.told(f"< {line}")
        self.keywords = frozenset(line[4:].partition(" ")[0].upper() for line in lines)
        if not lines[-1].startswith(str(wanted)):
            raise Refused(f"the server refused: {lines[-1]}")


def _complete(octets: bytes) -> bool:
    """Whether the last line of a reply is there."""
    last = octets.rpartition(b"\n")[0].rpartition(b"\n")[2]
    return octets.endswith(b"\n") and last[3:4] != b"-"
