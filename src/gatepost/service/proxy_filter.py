"""The before-queue filter that smtpd_proxy_filter names for a service (SMTPD_PROXY_README)."""

import resource
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct, structs

from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.ports import known_ports
from gatepost.events.records import Emit, Note
from gatepost.mail.ascii_text import SPACE, elements
from gatepost.net.server_address import Server, parse
from gatepost.net.stream_client import StreamClient
from gatepost.net.stream_port import BreakerRules, Crowd, StreamRules, TimeLimits
from gatepost.receive.proxy_filter import ProxyFilter
from gatepost.service.materials import Materials

_SPEED_ADJUST = "speed_adjust"


class ProxyFilterSettings(Struct, frozen=True):
    """Times in seconds; the rest as written in main.cf."""

    smtpd_proxy_filter: str
    smtpd_proxy_ehlo: str
    smtpd_proxy_timeout: int
    smtpd_proxy_options: str
    queue_directory: str
    known_tcp_ports: str
    helper_failure_limit: int
    helper_probe_interval: int


def open_proxy_filter(
    materials: Materials, overrides: Mapping[str, str], folder: Callable[[], Path], emit: Emit
) -> ProxyFilter | None:
    """The filter of a service, None where it has none. `folder`: for messages that wait (speed_adjust). Raises
    ConfigurationError."""
    configuration = materials.configuration
    settings = configuration.view(ProxyFilterSettings, overrides)
    name = settings.smtpd_proxy_filter.strip(SPACE)
    if not name:
        return None
    server = _server(configuration, overrides, settings, name)
    waits = _waits(configuration, overrides, settings)

    def warn(text: str) -> None:
        emit(Note("smtpd", text, "warning"))

    network = materials.network()
    client = StreamClient(server, _rules(settings), network, lambda news: warn(str(news)), "smtpd_proxy_filter")
    return ProxyFilter(name, settings.smtpd_proxy_ehlo, client, waits, folder, warn)


def _server(configuration: Configuration, overrides: Mapping[str, str], settings: ProxyFilterSettings, name: str) -> Server:
    where = name if name.startswith(("inet:", "unix:")) else f"inet:{name}"
    try:
        server = parse(where, settings.queue_directory, known_ports(settings.known_tcp_ports))
    except ValueError:
        raise _bad(
            configuration, overrides, "smtpd_proxy_filter", f'"{name}" names no filter: write HOST:PORT or unix:PATH'
        ) from None
    return structs.replace(server, name=name)


def _waits(configuration: Configuration, overrides: Mapping[str, str], settings: ProxyFilterSettings) -> bool:
    options = elements(settings.smtpd_proxy_options)
    unknown = [option for option in options if option != _SPEED_ADJUST]
    if unknown:
        raise _bad(configuration, overrides, "smtpd_proxy_options", f'unknown option "{unknown[0]}": there is {_SPEED_ADJUST} only')
    return bool(options)


def _bad(configuration: Configuration, overrides: Mapping[str, str], parameter: str, words: str) -> ConfigurationError:
    return ConfigurationError((configuration.fault(parameter, f"{parameter}: {words}", "correct it", overrides),))


def _rules(settings: ProxyFilterSettings) -> StreamRules:
    """A connection a message, so that there may be as many as sessions; the sessions of one client have half of them at most."""
    limit = settings.smtpd_proxy_timeout
    connections = max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 8, 16)
    return StreamRules(
        limits=TimeLimits.all_of(limit),
        crowd=Crowd.of(connections),
        breaker=BreakerRules(settings.helper_failure_limit, settings.helper_probe_interval),
    )
