"""Whether mail may be served with a configuration: not where it would pass something unseen that was to look at it.

Restrictions that nobody knows, and actions that nobody knows in tables that main.cf itself spells out, are found here. With
`gatepost_accept_missing` they do at run time as Postfix's. What is wrong with a content filter is no matter of choice.
"""

from collections.abc import Iterator
from pathlib import Path

from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.faults import Fault
from gatepost.config.loading import load
from gatepost.config.master import ServiceEntry
from gatepost.config.programs import program
from gatepost.config.values import split
from gatepost.identity.spf.settings import ACTIONS as SPF_ACTIONS
from gatepost.policy.compiler import Complaint
from gatepost.policy.greylist.settings import ACTIONS as GREYLIST_ACTIONS
from gatepost.policy.review import review
from gatepost.policy.settings import PolicySettings
from gatepost.service.filter_settings import faults_of_filters


def load_to_serve(directory: Path) -> Configuration:
    """The configuration in `directory`. Raises ConfigurationError where it is faulty, or where mail would pass unseen."""
    configuration = load(directory)
    faults = refused(configuration)
    if faults:
        raise ConfigurationError(faults)
    return configuration


def refused(configuration: Configuration) -> tuple[Fault, ...]:
    """Why mail is not to be served with a configuration. Raises ConfigurationError."""
    return (*unseen(configuration), *faults_of_filters(configuration))


def unseen(configuration: Configuration) -> tuple[Fault, ...]:
    """Everything that mail would pass unseen and that gatepost_accept_missing does not name. Raises ConfigurationError."""
    accepted = frozenset(split(configuration.value("gatepost_accept_missing")))
    found: list[tuple[str, Fault]] = []
    for entry in configuration.services:
        if program(entry.program).takes_mail:
            for one in complaints(configuration, entry):
                found += [(one.unknown, placed(configuration, entry, one, one.remedy))] if one.unknown else []
    return tuple(dict.fromkeys(_with_choice(name, fault) for name, fault in found if name not in accepted))


def _with_choice(name: str, fault: Fault) -> Fault:
    remedy = f"{fault.remedy}; to have mail served without it: gatepost_accept_missing = {name}"
    return Fault(fault.file, fault.line, fault.text, remedy)


def complaints(configuration: Configuration, entry: ServiceEntry) -> Iterator[Complaint]:
    """What is wrong with the restriction lists of a service."""

    def value(name: str) -> str:
        return configuration.value(name, entry.overrides)

    classes = {name: value(name) for name in split(value("smtpd_restriction_classes"))}
    actions = {name: value(name) for name in (*SPF_ACTIONS, *GREYLIST_ACTIONS)}
    yield from review(configuration.view(PolicySettings, entry.overrides), classes, entry.name, actions)


def placed(configuration: Configuration, entry: ServiceEntry, complaint: Complaint, remedy: str) -> Fault:
    """A complaint where its parameter is set, or else where the service is."""
    fault = configuration.fault(complaint.parameter, complaint.text, remedy, entry.overrides)
    return fault if fault.line else Fault(entry.file, entry.line, complaint.text, remedy)
