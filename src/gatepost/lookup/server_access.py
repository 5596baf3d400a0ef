"""What a table needs to ask a server: main.cf, for its parameters and the limits of all helpers, and the network."""

import asyncio
import random
import time
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from gatepost.net.stream_port import AnswerLimit, BreakerRules, Crowd, Reuse, StreamRules, TimeLimits

if TYPE_CHECKING:
    from gatepost.config.configuration import Configuration
    from gatepost.net.stream_client import Network

P = TypeVar("P")

ANSWER_LIMIT = 1 << 20
"""Octets of an answer; what is larger is no answer."""
IDLE, AGE = 60.0, 1000.0
"""Seconds that a connection is kept without use, and since it was opened."""


class HelperLimits(Struct, frozen=True):
    """helper_*: the limits of every server that is asked; socketmap_*: those of socketmap servers alone, in octets."""

    helper_connection_limit: int
    helper_failure_limit: int
    helper_lookup_timeout: int
    helper_probe_interval: int
    helper_answer_lifetime: int
    socketmap_max_query_size: int
    socketmap_max_reply_size: int


_WITHOUT_MAIN_CF = HelperLimits(100, 5, 10, 10, 0, 10_000, 100_000)


class ServerAccess:
    """`read`: gives main.cf; None where a tool has none. `network`: makes what servers are reached by. Each is called once at most,
    when a table first needs it."""

    def __init__(self, read: "Callable[[], Configuration] | None" = None, network: "Callable[[], Network] | None" = None) -> None:
        self._read = read
        self._make = network or system_network
        self._configuration: Configuration | None = None
        self._network: Network | None = None
        self._pools: dict[Hashable, Any] = {}

    def pool(self, settings: Hashable, make: "Callable[[], P]") -> "P":
        """The pool of a server: one for all tables that reach it with the same `settings`. So they share its connections, their
        limit, and its breaker. Who logs in otherwise has another: what is wrong with his login is not wrong with the server."""
        if settings not in self._pools:
            self._pools[settings] = make()
        pool: P = self._pools[settings]
        return pool

    @property
    def configuration(self) -> "Configuration | None":
        if self._configuration is None and self._read is not None:
            self._configuration = self._read()
        return self._configuration

    @property
    def network(self) -> "Network":
        """To be asked for inside a running event loop."""
        if self._network is None:
            self._network = self._make()
        return self._network

    @property
    def limits(self) -> HelperLimits:
        """Those of main.cf, or their defaults where a tool reads none."""
        return _WITHOUT_MAIN_CF if self.configuration is None else self.configuration.view(HelperLimits)

    def rules(self, time_limit: float, **changes: Any) -> StreamRules:
        """The rules by which a table's server is asked. `time_limit`: seconds for each step and for a whole question; `changes`:
        other fields of StreamRules. Half of the connections are for one client at most."""
        limits = self.limits
        connections = limits.helper_connection_limit
        kept: dict[str, Any] = {
            "limits": TimeLimits.all_of(time_limit),
            "answer": AnswerLimit(ANSWER_LIMIT),
            "reuse": Reuse(IDLE, AGE),
            "crowd": Crowd.of(connections),
            "breaker": BreakerRules(limits.helper_failure_limit, limits.helper_probe_interval),
        }
        return StreamRules(**{**kept, **changes})


def system_network() -> "Network":
    """The machine's own."""
    from gatepost.net.connect import SocketConnector
    from gatepost.net.dns import AresResolver
    from gatepost.net.stream_client import Network

    return Network(SocketConnector(), AresResolver(time.monotonic), time.monotonic, asyncio.sleep, random.random)
