"""What `gatepost check` finds in the certificates of servers: files that cannot be read, keys of other certificates, and times that
are over or have not come. Names file and remedy; what is wrong here is served without TLS, or not at all where TLS is required."""

import datetime
from collections.abc import Iterator, Mapping

from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.faults import Fault
from gatepost.config.master import ServiceEntry
from gatepost.config.programs import program
from gatepost.mail.ascii_text import elements
from gatepost.net import openssl_configuration
from gatepost.net.tls import TlsServerSettings
from gatepost.net.tls_parameters import TlsFailure
from gatepost.service.postscreen_tls import OWN, tls_overrides
from gatepost.service.smtpd import load_tls

SOON = datetime.timedelta(days=14)
"""How long before its end a certificate is told of."""

_UNUSABLE = "correct it, as root: until then TLS is off there, and clients that need it are turned away"
_CHAINS = ("smtpd_tls_chain_files", "smtpd_tls_cert_file", "smtpd_tls_eccert_file")


def check_certificates(configuration: Configuration) -> Iterator[Fault]:
    """Of each service that offers TLS, what its certificates would come to now."""
    openssl = openssl_configuration.configure(configuration.view(openssl_configuration.OpensslSettings))
    if openssl:
        yield configuration.fault("tls_config_file", openssl, "correct it: until then there is no TLS at all")
        return
    for entry in configuration.services:
        if program(entry.program).takes_mail or program(entry.program).guards:
            try:
                yield from _of_service(configuration, entry)
            except ConfigurationError:
                continue  # told elsewhere


def _of_service(configuration: Configuration, entry: ServiceEntry) -> Iterator[Fault]:
    tls = load_tls(configuration, entry, lambda event: None)
    if tls is None:
        return
    settings = configuration.view(TlsServerSettings, tls_overrides(configuration, entry))
    own = OWN if program(entry.program).guards else {}
    given = [name for name in _CHAINS if getattr(settings, name) not in ("", "none")]
    if isinstance(tls, TlsFailure):
        named = _named(settings, given, str(tls))
        yield configuration.fault(_set(configuration, entry, own, named), str(tls), _UNUSABLE, entry.overrides)
        return
    for name in given[:1] if settings.smtpd_tls_chain_files else given:
        for text, remedy in _out_of_time(getattr(settings, name)):
            yield configuration.fault(_set(configuration, entry, own, name), text, remedy, entry.overrides)


def _set(configuration: Configuration, entry: ServiceEntry, own: Mapping[str, str], name: str) -> str:
    """Where the value of a parameter of smtpd's TLS comes from: a line of postscreen may have its own."""
    source = own.get(name, name)
    return source if source in entry.overrides or source in configuration.settings else name


def _named(settings: TlsServerSettings, given: list[str], text: str) -> str:
    """The parameter whose file a text names; else the one without which there is no TLS."""
    named = (name for name in given if any(file in text for file in elements(getattr(settings, name))))
    return next(named, "smtpd_tls_security_level")


def _out_of_time(files: str) -> Iterator[tuple[str, str]]:
    """(what is wrong, what to do) of the certificates in files, each file's first: that of this host."""
    now = datetime.datetime.now(datetime.UTC)
    for file in elements(files):
        ends = _ends(file)
        if ends is None:
            continue
        begin, end = ends
        if end < now:
            yield f"{file}: the certificate has expired on {end:%Y-%m-%d %H:%M} UTC", "renew it: clients that verify go away"
        elif begin > now:
            yield f"{file}: the certificate is not valid before {begin:%Y-%m-%d %H:%M} UTC", "wait, or set the clock right"
        elif end - now < SOON:
            yield f"{file}: the certificate expires on {end:%Y-%m-%d %H:%M} UTC", "see why it was not renewed"


def _ends(file: str) -> tuple[datetime.datetime, datetime.datetime] | None:
    """The time of the first certificate of a file; None where it has none, as a file of a key."""
    from cryptography import x509

    try:
        with open(file, "rb") as opened:
            found = x509.load_pem_x509_certificates(opened.read())
    except (OSError, ValueError):
        return None
    return found[0].not_valid_before_utc, found[0].not_valid_after_utc
