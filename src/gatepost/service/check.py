"""`gatepost check`: what the configuration's own room finds, and what only those know who use a value: restrictions, TLS levels."""

from collections.abc import Iterator, Mapping

from gatepost.config.check import check as faults_of_names
from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.faults import Fault
from gatepost.config.master import ServiceEntry
from gatepost.config.values import split
from gatepost.deliver.smtp_settings import LmtpSettings, SmtpSettings, as_smtp
from gatepost.deliver.tls_policy import BadTlsPolicy, Level, default_level
from gatepost.policy.review import review
from gatepost.policy.settings import PolicySettings
from gatepost.service.check_lists import check_lists
from gatepost.service.cleanup_line import cleanup_line
from gatepost.service.listeners import LISTENING_PROGRAMS


def check(configuration: Configuration) -> tuple[Fault, ...]:
    """Everything that would go wrong later; what holds for several services is told once."""
    found = [*faults_of_names(configuration), *check_lists(configuration)]
    for entry in configuration.services:
        if entry.command in LISTENING_PROGRAMS:
            found += _restrictions(configuration, entry)
            found += _cleanup(configuration, entry)
    for program in ("smtp", "lmtp"):
        for overrides in (None, *(entry.overrides for entry in configuration.services if entry.command == program)):
            found += _tls_level(configuration, program, overrides)
    return tuple(dict.fromkeys(found))


def _restrictions(configuration: Configuration, entry: ServiceEntry) -> Iterator[Fault]:
    """Postfix tells of these when a client comes to them, and refuses its mail then."""

    def value(name: str) -> str:
        return configuration.value(name, entry.overrides)

    classes = {name: value(name) for name in split(value("smtpd_restriction_classes"))}
    for complaint in review(configuration.view(PolicySettings, entry.overrides), classes, entry.name):
        fault = configuration.fault(complaint.parameter, complaint.text, complaint.remedy, entry.overrides)
        yield fault if fault.line else Fault(entry.file, entry.line, complaint.text, complaint.remedy)


def _cleanup(configuration: Configuration, entry: ServiceEntry) -> Iterator[Fault]:
    """A cleanup line that is not there: the service does not start."""
    try:
        cleanup_line(configuration, entry.overrides)
    except ConfigurationError as error:
        yield from error.faults


def _tls_level(configuration: Configuration, program: str, overrides: Mapping[str, str] | None) -> Iterator[Fault]:
    """A level of which we cannot say what it asks for: no mail is sent under it."""
    view = configuration.view
    try:
        default_level(as_smtp(view(LmtpSettings, overrides)) if program == "lmtp" else view(SmtpSettings, overrides))
    except BadTlsPolicy as error:
        levels = ", ".join(level.name.lower() for level in Level)
        remedy = f"mail for it is deferred; one of: {levels}"
        yield configuration.fault(f"{program}_tls_security_level", str(error), remedy, overrides)
