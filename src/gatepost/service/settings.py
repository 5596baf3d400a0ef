"""Parameters that processes and wiring read themselves; every other room declares its own."""

import socket
from collections.abc import Iterable, Mapping

from msgspec import Struct, structs

from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.interfaces import own_interfaces
from gatepost.mail.ascii_text import SPACE, elements
from gatepost.routing.settings import RoutingSettings

AGENT_TIME_LIMIT = 1100.0
"""Seconds for one request to the agent: more than `command_time_limit` (1000 s), after which the agent itself gives up."""


FILE_THREADS, FILE_TIME_LIMIT = 8, 10.0
"""Looks at folders that local(8) may have to wait for, at one time, and seconds for one."""


class MasterSettings(Struct, frozen=True):
    """What master(8) needs."""

    queue_directory: str
    data_directory: str
    mail_owner: str
    mail_version: str
    inet_interfaces: str
    inet_protocols: str
    known_tcp_ports: str
    worker_processes: int
    worker_watchdog_time: int
    service_throttle_time: int
    tls_session_ticket_key_max_age: int
    master_service_disable: str


class WorkerSettings(Struct, frozen=True):
    """What all services of a worker share."""

    queue_directory: str
    data_directory: str
    myhostname: str
    mail_name: str
    inet_interfaces: str
    proxy_interfaces: str
    enable_idna2003_compatibility: bool
    default_process_limit: int
    queue_ledger_lifetime: int
    queue_deliver: bool
    state_store: str
    state_store_size_limit: int
    smtpd_auth_hash_limit: int
    internal_mail_filter_classes: str


def own_addresses(settings: WorkerSettings) -> frozenset[str]:
    """The IP addresses that are ours: those of inet_interfaces, and of proxy_interfaces in front of us."""
    found: set[str] = set()
    interfaces = own_interfaces()
    for word in elements(f"{settings.inet_interfaces} {settings.proxy_interfaces}"):
        if word == "all":
            found |= {str(one.ip) for one in interfaces}
        elif word == "loopback-only":
            found |= {str(one.ip) for one in interfaces if one.is_loopback}
        else:
            found |= _addresses_of(word.strip("[]"))
    return frozenset(found)


def routing_settings(configuration: Configuration, overrides: Mapping[str, str] | None = None) -> RoutingSettings:
    """The settings of routing, as a service has them. `myorigin = /file` is the first line of that file, as Debian's Postfix has
    it. Raises ConfigurationError where the file cannot be read."""
    settings = configuration.view(RoutingSettings, overrides)
    if not settings.myorigin.startswith("/"):
        return settings
    try:
        with open(settings.myorigin) as file:
            return structs.replace(settings, myorigin=file.readline().strip(SPACE))
    except OSError as error:
        told = f"open {settings.myorigin}: {error.strerror}"
        fault = configuration.fault("myorigin", told, "write the domain there, or here", overrides)
        raise ConfigurationError([fault]) from error


def as_list(addresses: Iterable[str]) -> str:
    """Addresses as an access list has them: an IPv6 address in brackets, for `type:table` would be a table."""
    return " ".join(f"[{one}]" if ":" in one else one for one in sorted(addresses))


def _addresses_of(host: str) -> set[str]:
    try:
        return {str(answer[4][0]) for answer in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except socket.gaierror:
        return set()  # `gatepost check` names it, and the listener that needs it refuses to start
