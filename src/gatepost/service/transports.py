"""Delivery transports: which agent serves a master.cf service, and its limits. Which programs deliver, and who builds their agents,
says the table of config/programs.py.

What master.cf does not name but Postfix's own master.cf does (BUILT_IN: smtp, relay, local and so on) is there all the same, so
that a master.cf with only an smtpd line is a whole mail system.
"""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from pkgutil import resolve_name

from msgspec import convert

from gatepost.config.configuration import Configuration
from gatepost.config.master import ServiceEntry, parse_master
from gatepost.config.programs import BUILT_IN, Program, program
from gatepost.deliver.discard import DiscardAgent
from gatepost.deliver.error import ErrorAgent
from gatepost.deliver.status_filter import FilteredAgent
from gatepost.deliver.virtual import VirtualAgent, VirtualSettings
from gatepost.mail.delivery import Agent
from gatepost.mail.outcome import Class
from gatepost.mail.submission import Submit
from gatepost.queue.settings import TransportLimits
from gatepost.service.materials import Materials
from gatepost.service.ways import WayOut
from gatepost.tlsrpt.outcome import Observe

_BUILT_IN = parse_master(
    "".join(f"{service} unix - - n - - {row.name}\n" for service, row in BUILT_IN.items()), "(built-in master.cf)"
).services

AgentBuilder = Callable[[Materials, WayOut, ServiceEntry], Awaitable[Agent]]


def delivering(configuration: Configuration) -> dict[str, ServiceEntry]:
    """The services that transports are looked for among, by name."""
    named = (entry for entry in configuration.services if entry.type == "unix")
    return {entry.name: entry for entry in (*_BUILT_IN, *named)}


async def error_agent(materials: Materials, way_out: WayOut, entry: ServiceEntry) -> Agent:
    return ErrorAgent(Class.TEMPORARY if entry.name == "retry" else Class.PERMANENT, materials.clock)


async def discard_agent(materials: Materials, way_out: WayOut, entry: ServiceEntry) -> Agent:
    return DiscardAgent(materials.clock)


async def virtual_agent(materials: Materials, way_out: WayOut, entry: ServiceEntry) -> Agent:
    view = materials.configuration.view(VirtualSettings, entry.overrides)
    emit = materials.emitter(entry)
    return VirtualAgent(view, materials.tables("virtual", emit, entry.overrides), materials.agent, materials.clock, emit)


def transport_limits(
    configuration: Configuration, transport: str, process_limit: int, overrides: Mapping[str, str] | None = None
) -> TransportLimits:
    """The limits of a transport; each but the last has the name that parameters have after the transport's."""
    suffixes = [name for name in TransportLimits.__struct_fields__ if name != "process_limit"]
    limits = {suffix: configuration.transport(transport, suffix, overrides) for suffix in suffixes}
    return convert({**limits, "process_limit": process_limit}, TransportLimits)


def _builder(row: Program) -> AgentBuilder:
    """Who builds the agents of a program. Raises LookupError where it delivers nothing."""
    if not row.transport:
        raise LookupError(f"{row.name} delivers nothing")
    build: AgentBuilder = resolve_name(row.builder)
    return build


class Transports:
    """The transports of a worker; an agent is built when its transport is first used."""

    def __init__(
        self,
        materials: Materials,
        staging: Callable[[], Path],
        forward: Submit,
        observer: Callable[[ServiceEntry], Observe | None],
    ) -> None:
        """`staging`, `forward`, `observer`: of the way out (ways.py)."""
        self._materials = materials
        self._way_out = WayOut(staging, forward, self.agent, self.program, observer)
        self._entries = delivering(materials.configuration)
        self._agents: dict[str, Agent] = {}
        self._closed = False

    async def agent(self, transport: str) -> Agent:
        """The agent of a transport. Raises LookupError where master.cf has no such service, its program delivers nothing,
        or its user cannot be looked up now."""
        agent = self._agents.get(transport)
        if agent is None:
            entry = self._entries[transport]
            build = _builder(program(entry.program))
            agent = self._agents[transport] = self._filtered(await build(self._materials, self._way_out, entry), entry)
            if self._closed:
                await agent.close()
        return agent

    def _filtered(self, agent: Agent, entry: ServiceEntry) -> Agent:
        """The agent, with a delivery status filter where one is configured for its program."""
        if not program(entry.program).status_filter:
            return agent
        name, emit = f"{entry.command}_delivery_status_filter", self._materials.emitter(entry)
        maps = self._materials.tables(entry.command, emit, entry.overrides).maps(
            self._materials.configuration.value(name, entry.overrides), name
        )
        return agent if maps.empty else FilteredAgent(agent, maps, self._materials.teller(entry.command, emit))

    def program(self, transport: str) -> str:
        """The program of a transport, by which its lines in the log go."""
        entry = self._entries.get(transport)
        return entry.command if entry else transport

    def limits(self, transport: str) -> TransportLimits:
        """The limits that `transport_*` and `default_*` parameters set, and maxproc of its master.cf line."""
        entry = self._entries.get(transport)
        limit = entry.process_limit if entry else None
        return transport_limits(
            self._materials.configuration,
            transport,
            self._materials.settings.default_process_limit if limit is None else limit,
            entry.overrides if entry else None,
        )

    async def close(self) -> None:
        """End all kept connections, and keep none from now on: they would take places at next hops that have few."""
        self._closed = True
        for agent in list(self._agents.values()):
            await agent.close()
