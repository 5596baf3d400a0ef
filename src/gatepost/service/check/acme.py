"""What `gatepost check` finds of ACME: values with which no certificate can come, a certificate that nobody shows, and what went
wrong the last time. When a certificate ends is told with the others (certificates.py)."""

from collections.abc import Iterator

from gatepost.acme.certificate import date
from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.faults import Fault
from gatepost.mail.ascii_text import elements
from gatepost.service.acme import folder
from gatepost.service.acme.settings import AcmeSettings, wrong
from gatepost.service.master.directories import UnsafeDirectory


def check_acme(configuration: Configuration) -> Iterator[Fault]:
    """Nothing where acme_directory_url is empty."""
    try:
        settings = configuration.view(AcmeSettings)
    except ConfigurationError:
        return  # told elsewhere
    if not settings.acme_directory_url:
        return
    yield from wrong(configuration)
    shown = str(folder.path(settings.queue_directory))
    scopes = (None, *(entry.overrides for entry in configuration.services))
    if not any(shown in elements(configuration.value("smtpd_tls_chain_files", overrides)) for overrides in scopes):
        told = "the certificate that comes by ACME is shown by no service"
        yield configuration.fault("acme_directory_url", told, f"smtpd_tls_chain_files = $queue_directory/acme/{folder.CHAIN}")
    try:
        kept = folder.read(settings.queue_directory)
    except (OSError, UnsafeDirectory):
        return  # not there yet, or not for this user to see
    if kept.attempts.failures:
        told = f"no certificate came by ACME, {kept.attempts.failures} times in a row: {kept.attempts.error}"
        remedy = f"tried again {date(kept.attempts.next)}; at once: gatepost acme renew"
        yield configuration.fault("acme_directory_url", told, remedy)
