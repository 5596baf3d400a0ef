"""The parameters of virus scanning, and the scanners that they name."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from gatepost.config.ports import known_ports
from gatepost.filter.antivirus.clamd import Clamd
from gatepost.filter.antivirus.port import Unscanned
from gatepost.net.server_address import Server, parse
from gatepost.net.stream_client import Network, StreamClient
from gatepost.net.stream_port import AnswerLimit, BreakerRules, Crowd, StreamRules, TimeLimits
from gatepost.proto.clamd import MOST_OCTETS

_WAIT: Final = "wait"
_SHARED: Final = 0.9
"""The part of filter_virus_time_limit that the servers share."""


class VirusSettings(Struct, frozen=True):
    """filter_virus_*, and what is common to all servers that are asked; times in seconds."""

    filter_virus_scanner: tuple[str, ...]
    filter_virus_unavailable: str
    filter_virus_too_large: str
    filter_virus_time_limit: int
    filter_virus_connect_time_limit: int
    helper_connection_limit: int
    helper_failure_limit: int
    helper_probe_interval: int
    known_tcp_ports: str
    queue_directory: str


def servers(settings: VirusSettings) -> tuple[Server, ...]:
    """Those of filter_virus_scanner, in order. Raises ValueError with the text that names none."""
    ports: Mapping[str, int] = known_ports(settings.known_tcp_ports)
    return tuple(parse(text, settings.queue_directory, ports) for text in settings.filter_virus_scanner)


def antivirus(settings: VirusSettings, network: Network, warn: Callable[[str], None]) -> Clamd | None:
    """The scanners of a worker; None where the configuration names none. `warn`: is told of who is away. Raises ValueError."""
    named = servers(settings)
    if not named:
        return None
    rules = _rules(settings, len(named))
    clients = [StreamClient(one, rules, network, lambda news: warn(str(news)), "filter_virus_scanner") for one in named]
    wait = settings.filter_virus_unavailable == _WAIT
    return Clamd(
        clients,
        limit=settings.filter_virus_time_limit,
        wait=wait,
        unavailable=Unscanned.DEFER if wait else Unscanned(settings.filter_virus_unavailable),
        too_large=Unscanned(settings.filter_virus_too_large),
        sleep=network.sleep,
    )


def _rules(settings: VirusSettings, servers: int) -> StreamRules:
    """Each server has its share of the time, so that one that hangs leaves some to the next, and is found out before all time is
    over, which would count against nobody."""
    share = settings.filter_virus_time_limit * _SHARED / servers
    connect = min(settings.filter_virus_connect_time_limit, share)
    return StreamRules(
        limits=TimeLimits(turn=share, connect=connect, write=share, read=share, whole=share),
        answer=AnswerLimit(MOST_OCTETS + 4096),
        crowd=Crowd.of(settings.helper_connection_limit),
        breaker=BreakerRules(settings.helper_failure_limit, settings.helper_probe_interval),
    )
