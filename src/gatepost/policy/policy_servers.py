"""Which policy servers the restrictions name, and the rules by which each is asked: those of smtpd_policy_service_*, or what its
`{...}` form says instead."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from gatepost.config.ports import known_ports
from gatepost.config.values import seconds, split
from gatepost.mail.ascii_text import SPACE
from gatepost.net.server_address import parse
from gatepost.net.stream_client import Network, StreamClient
from gatepost.net.stream_port import AnswerLimit, BreakerRules, Crowd, Retry, Reuse, StreamRules, TimeLimits
from gatepost.policy.policy_service import PolicyService
from gatepost.proto.policy_delegation import SIZE_LIMIT

if TYPE_CHECKING:
    from gatepost.policy.settings import PolicySettings


class ServiceOptions(Struct, frozen=True, kw_only=True):
    """smtpd_policy_service_*, or what a `{...}` form says instead; times in seconds, a limit of 0 is none."""

    timeout: int
    try_limit: int
    retry_delay: int
    request_limit: int
    max_idle: int
    max_ttl: int
    default_action: str
    policy_context: str


def options_of(settings: "PolicySettings") -> ServiceOptions:
    """The options that the parameters give."""
    return ServiceOptions(**{name: getattr(settings, f"smtpd_policy_service_{name}") for name in ServiceOptions.__struct_fields__})


def read(text: str, defaults: ServiceOptions) -> tuple[str, ServiceOptions]:
    """`server` or `{server, name=value, {name = value}}`: (server, options). Raises ValueError."""
    if not text.startswith("{"):
        return text, defaults
    server, *pairs = split(text[1:-1]) if text.endswith("}") else [""]
    changes: dict[str, int | str] = {}
    for pair in pairs:
        name, equals, value = pair.strip("{}").partition("=")
        name, value = name.strip(SPACE), value.strip(SPACE)
        if not equals or name not in ServiceOptions.__struct_fields__:
            raise ValueError(pair)
        known = getattr(defaults, name)
        changes[name] = value if isinstance(known, str) else int(value) if name.endswith("limit") else seconds(value)
    return server, structs.replace(defaults, **changes)


class PolicyServers:
    """Opens the servers by what stands behind check_policy_service; one that is named twice in the same words is one server and has
    one set of connections. `warn`: lines for the log."""

    def __init__(self, settings: "PolicySettings", network: Network, warn: Callable[[str], None]) -> None:
        self._settings = settings
        self._network = network
        self._warn = warn
        self._opened: dict[str, PolicyService] = {}

    def open(self, text: str) -> PolicyService:
        """The server. Raises ValueError where the text names none."""
        if (service := self._opened.get(text)) is None:
            service = self._opened[text] = self._open(text)
        return service

    def _open(self, text: str) -> PolicyService:
        settings = self._settings
        written, options = read(text, options_of(settings))
        server = parse(written, settings.queue_directory, known_ports(settings.known_tcp_ports))
        client = StreamClient(
            server, self._rules(options), self._network, lambda news: self._warn(str(news)), named_by(settings, written)
        )
        return PolicyService(written, client, options.policy_context, options.default_action, self._warn)

    def _rules(self, options: ServiceOptions) -> StreamRules:
        """A time limit is for the whole exchange, as for each step of it."""
        settings, limit = self._settings, options.timeout
        connections = settings.helper_connection_limit
        return StreamRules(
            limits=TimeLimits.all_of(limit),
            answer=AnswerLimit(SIZE_LIMIT),
            reuse=Reuse(options.max_idle, options.max_ttl, options.request_limit),
            retry=Retry(max(options.try_limit, 1), options.retry_delay),
            crowd=Crowd.of(connections),
            breaker=BreakerRules(settings.helper_failure_limit, settings.helper_probe_interval),
        )


def named_by(settings: "PolicySettings", server: str) -> str:
    """Where a server is named, for people: the lists that do, or just the restriction where a class or a table does."""
    values = structs.asdict(settings).items()
    lists = (name for name, value in values if name.endswith("_restrictions") and isinstance(value, str) and server in value)
    return " ".join((*lists, "check_policy_service"))
