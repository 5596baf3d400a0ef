"""Parameters of the content filter's gate, and what can be wrong with them: mail is not served then."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.faults import Fault
from gatepost.config.ports import known_ports
from gatepost.config.programs import program
from gatepost.filter.policy import points_of
from gatepost.net.server_address import Server, parse

SPAM_LEVEL: Final = "filter_tag2_level"
"""From where on a message is called spam."""
LEVELS: Final = ("filter_tag_level", SPAM_LEVEL, "filter_kill_level")


class FilterSettings(Struct, frozen=True):
    """Parameters of the gate that are no lists."""

    content_filter: str
    filter_before_queue: bool
    filter_default_action: str
    filter_local_domains: str
    filter_spam_scanner: str
    filter_time_limit: int
    helper_failure_limit: int
    helper_probe_interval: int
    known_tcp_ports: str
    queue_directory: str
    recipient_delimiter: str
    smtpd_proxy_filter: str


def faults_of_filters(configuration: Configuration) -> tuple[Fault, ...]:
    """What is wrong with the filters of all services that take mail in, or answer as a spamd, each fault once."""
    entries = [entry for entry in configuration.services if program(entry.program).takes_mail]
    found = [fault for entry in entries for fault in filter_faults(configuration, entry.overrides)]
    spamds = [entry for entry in configuration.services if entry.program == "spamd"]
    found += [fault for entry in spamds if (fault := level_fault(configuration, entry.overrides, SPAM_LEVEL))]
    return tuple(dict.fromkeys(found))


def wants_scanner(configuration: Configuration) -> bool:
    """Whether our own scanner is asked about mail: by a service of master.cf, or by one that has no line there; or by spamc."""
    if any(entry.program == "spamd" for entry in configuration.services):
        return True
    lines = (entry.overrides for entry in configuration.services if program(entry.program).takes_mail)
    return any(_asks_scanner(configuration, overrides) for overrides in (None, *lines))


def _asks_scanner(configuration: Configuration, overrides: Mapping[str, str] | None) -> bool:
    try:
        settings = configuration.view(FilterSettings, overrides)
        return settings.filter_before_queue and spamd_server(settings) is None
    except (ConfigurationError, ValueError):
        return False  # mail is not served so


def filter_faults(configuration: Configuration, overrides: Mapping[str, str] | None) -> tuple[Fault, ...]:
    """What is wrong with the filter of a service that has one."""
    settings = configuration.view(FilterSettings, overrides)
    if not settings.filter_before_queue:
        return ()
    found = [fault for name in LEVELS if (fault := level_fault(configuration, overrides, name))]
    for name, what in _OTHERS.items():
        if value := getattr(settings, name).strip():
            told = f"filter_before_queue = yes and {name} = {value}: {what}"
            remedy = f"have one of them: `{name} =`, or `filter_before_queue = no`"
            found.append(configuration.fault("filter_before_queue", told, remedy, overrides))
    try:
        spamd_server(settings)
    except ValueError as error:
        found.append(configuration.fault("filter_spam_scanner", f"filter_spam_scanner: {error}", "correct it", overrides))
    return tuple(found)


_OTHERS: Final = {
    "content_filter": "its mail would be filtered twice",
    "smtpd_proxy_filter": "its mail is the filter's, and would not be filtered here",
}
"""Filters that a service cannot have beside this one, and why."""


def level_fault(configuration: Configuration, overrides: Mapping[str, str] | None, name: str) -> Fault | None:
    """What is wrong with a level of a service."""
    try:
        points_of(configuration.value(name, overrides))
    except ValueError as error:
        return configuration.fault(name, f"{name}: {error}", "write a number, such as 6.31", overrides)
    return None


def spamd_server(settings: FilterSettings) -> Server | None:
    """Where the spamd is; None where our own scanner is meant. Raises ValueError with words for people."""
    kind, colon, where = settings.filter_spam_scanner.strip().partition(":")
    if kind == "internal" and not colon:
        return None
    try:
        if kind != "spamd" or not where:
            raise ValueError
        return parse(
            f"unix:{where}" if where.startswith("/") else f"inet:{where}",
            settings.queue_directory,
            known_ports(settings.known_tcp_ports),
        )
    except ValueError:
        raise ValueError(f'"{settings.filter_spam_scanner}" is neither internal nor spamd:HOST:PORT nor spamd:/PATH') from None
