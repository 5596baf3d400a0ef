"""Delivery transports: which agent serves a master.cf service, and its limits. One row of `_BUILDERS` per delivery program.

What master.cf does not name but Postfix's own master.cf does (smtp, relay, lmtp, local, virtual, error, retry, discard) is
there all the same, so that a master.cf with only an smtpd line is a whole mail system.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from msgspec import convert

from gatepost.config.configuration import Configuration
from gatepost.config.master import ServiceEntry, parse_master
from gatepost.deliver.discard import DiscardAgent
from gatepost.deliver.error import ErrorAgent
from gatepost.deliver.status_filter import FilteredAgent
from gatepost.deliver.virtual import VirtualAgent, VirtualSettings
from gatepost.mail.delivery import Agent
from gatepost.mail.outcome import Class
from gatepost.queue.settings import TransportLimits
from gatepost.service.local import local_agent
from gatepost.service.pipe import pipe_agent
from gatepost.service.smtp_client import smtp_agent

if TYPE_CHECKING:
    from gatepost.service.house import House

_BUILT_IN = parse_master(
    """\
smtp      unix  -  -  n  -  -  smtp
relay     unix  -  -  n  -  -  smtp
lmtp      unix  -  -  n  -  -  lmtp
local     unix  -  n  n  -  -  local
virtual   unix  -  n  n  -  -  virtual
error     unix  -  -  n  -  -  error
retry     unix  -  -  n  -  -  error
discard   unix  -  -  n  -  -  discard
""",
    "(built-in master.cf)",
).services


def delivering(configuration: Configuration) -> dict[str, ServiceEntry]:
    """The services that transports are looked for among, by name."""
    named = (entry for entry in configuration.services if entry.type == "unix")
    return {entry.name: entry for entry in (*_BUILT_IN, *named)}


async def _error(house: "House", entry: ServiceEntry) -> Agent:
    return ErrorAgent(Class.TEMPORARY if entry.name == "retry" else Class.PERMANENT, house.clock)


async def _discard(house: "House", entry: ServiceEntry) -> Agent:
    return DiscardAgent(house.clock)


async def _virtual(house: "House", entry: ServiceEntry) -> Agent:
    view = house.configuration.view(VirtualSettings, entry.overrides)
    emit = house.emitter(entry)
    return VirtualAgent(view, house.tables("virtual", emit), house.agent, house.clock, emit)


_BUILDERS: dict[str, Callable[["House", ServiceEntry], Awaitable[Agent]]] = {
    "smtp": smtp_agent,
    "lmtp": smtp_agent,
    "local": local_agent,
    "pipe": pipe_agent,
    "virtual": _virtual,
    "error": _error,
    "discard": _discard,
}


_FILTERED = frozenset(("smtp", "lmtp", "local", "pipe", "virtual"))
"""Programs that have a delivery status filter."""


def transport_limits(
    configuration: Configuration, transport: str, process_limit: int, overrides: Mapping[str, str] | None = None
) -> TransportLimits:
    """The limits of a transport; each but the last has the name that parameters have after the transport's."""
    suffixes = [name for name in TransportLimits.__struct_fields__ if name != "process_limit"]
    limits = {suffix: configuration.transport(transport, suffix, overrides) for suffix in suffixes}
    return convert({**limits, "process_limit": process_limit}, TransportLimits)


class Transports:
    """The transports of a worker; an agent is built when its transport is first used."""

    def __init__(self, house: "House") -> None:
        self._house = house
        self._entries = delivering(house.configuration)
        self._agents: dict[str, Agent] = {}

    async def agent(self, transport: str) -> Agent:
        """The agent of a transport. Raises LookupError where master.cf has no such service, its program delivers nothing,
        or its user cannot be looked up now."""
        agent = self._agents.get(transport)
        if agent is None:
            entry = self._entries[transport]
            agent = self._agents[transport] = self._filtered(await _BUILDERS[entry.command](self._house, entry), entry)
        return agent

    def _filtered(self, agent: Agent, entry: ServiceEntry) -> Agent:
        """The agent, with a delivery status filter where one is configured for its program."""
        if entry.command not in _FILTERED:
            return agent
        name, emit = f"{entry.command}_delivery_status_filter", self._house.emitter(entry)
        maps = self._house.tables(entry.command, emit).maps(self._house.configuration.value(name, entry.overrides), name)
        return agent if maps.empty else FilteredAgent(agent, maps, self._house.teller(entry.command, emit))

    def program(self, transport: str) -> str:
        """The program of a transport, by which its lines in the log go."""
        entry = self._entries.get(transport)
        return entry.command if entry else transport

    def limits(self, transport: str) -> TransportLimits:
        """The limits that `transport_*` and `default_*` parameters set, and maxproc of its master.cf line."""
        entry = self._entries.get(transport)
        limit = entry.process_limit if entry else None
        return transport_limits(
            self._house.configuration,
            transport,
            self._house.settings.default_process_limit if limit is None else limit,
            entry.overrides if entry else None,
        )

    async def close(self) -> None:
        """End all kept connections."""
        for agent in self._agents.values():
            await agent.close()
