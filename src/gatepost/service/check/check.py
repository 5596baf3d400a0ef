"""`gatepost check`: what the configuration's own room finds, and what only those know who use a value: restrictions, TLS levels."""

import contextlib
import time
from collections.abc import Iterator, Mapping

from gatepost.config.check import check as faults_of_names
from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.faults import Fault
from gatepost.config.master import ServiceEntry
from gatepost.config.programs import PROGRAMS, Arguments, program
from gatepost.deliver.dane import insecure_mx_level
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.deliver.tls_level import BadTlsPolicy
from gatepost.service.check.acme import check_acme
from gatepost.service.check.antivirus import check_antivirus
from gatepost.service.check.auth_backends import check_auth_backends
from gatepost.service.check.certificates import check_certificates
from gatepost.service.check.cyrus_logins import check_cyrus_logins
from gatepost.service.check.lists import check_lists
from gatepost.service.check.milters import check_milters
from gatepost.service.check.patterns import check_patterns
from gatepost.service.check.served_tables import check_tables
from gatepost.service.cleanup_line import cleanup_line
from gatepost.service.filter_settings import faults_of_filters
from gatepost.service.master import directories
from gatepost.service.settings import MasterSettings
from gatepost.service.tlsrpt import makes_reports, submitter_of
from gatepost.service.unseen import complaints, placed
from gatepost.service.verify import probe_sender
from gatepost.service.walls import walls


def check(configuration: Configuration, *, ask: bool = False) -> tuple[Fault, ...]:
    """Everything that would go wrong later; what holds for several services is told once. `ask`: ask the servers of tables, too.

    Of restrictions Postfix tells when a client comes to them, and refuses its mail then."""
    checks = (
        faults_of_names, check_lists, check_patterns, check_milters, check_certificates, check_cyrus_logins, check_acme,
        check_antivirus,
    )  # fmt: skip
    found = [fault for one in checks for fault in one(configuration)]
    found += faults_of_filters(configuration)
    found += check_auth_backends(configuration, ask=ask)
    found += check_tables(configuration, ask=ask)
    for entry in configuration.services:
        if program(entry.program).takes_mail:
            found += (placed(configuration, entry, one, one.remedy) for one in complaints(configuration, entry))
            found += _cleanup(configuration, entry)
    for client in (row.name for row in PROGRAMS.values() if row.arguments is Arguments.FLAGS):
        for overrides in (None, *(entry.overrides for entry in configuration.services if entry.program == client)):
            found += _tls_level(configuration, client, overrides)
    found += (*_probe_sender(configuration), *_reports(configuration))
    found += _directories(configuration)
    if walls.wanted(configuration):
        found += (configuration.fault("worker_walls", text, "set worker_walls = no to run without") for text in walls.missing())
    return tuple(dict.fromkeys(found))


def _directories(configuration: Configuration) -> Iterator[Fault]:
    """Owners and modes of what is there: some of these refuse the start."""
    with contextlib.suppress(KeyError):  # no such mail_owner, and told already
        for one in directories.complaints(configuration.view(MasterSettings)):
            yield Fault(str(one.file), 0, one.text, one.remedy)


def _cleanup(configuration: Configuration, entry: ServiceEntry) -> Iterator[Fault]:
    """A cleanup line that is not there: the service does not start."""
    try:
        cleanup_line(configuration, entry.overrides)
    except ConfigurationError as error:
        yield from error.faults


def _probe_sender(configuration: Configuration) -> Iterator[Fault]:
    """A sender of probes that is no address: no service starts."""
    try:
        probe_sender(configuration, str, time.time)
    except ConfigurationError as error:
        yield from error.faults


def _reports(configuration: Configuration) -> Iterator[Fault]:
    """A sender of reports about TLS that is no address: no service starts."""
    try:
        if makes_reports(configuration):
            submitter_of(configuration)
    except ConfigurationError as error:
        yield from error.faults


def _tls_level(configuration: Configuration, program: str, overrides: Mapping[str, str] | None) -> Iterator[Fault]:
    """A level of which we cannot say what it asks for: no mail is sent under it."""
    if program == "smtp":
        try:
            insecure_mx_level(configuration.view(SmtpSettings, overrides))
        except BadTlsPolicy as error:
            remedy = "mail is not sent under DANE; one of: may, encrypt, dane"
            yield configuration.fault("smtp_tls_dane_insecure_mx_policy", str(error), remedy, overrides)
