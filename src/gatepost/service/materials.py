"""What every service of a worker is built from, gathered once: the configuration, and the ways to ask and to tell.

A builder names Materials in its signature, and WayIn or WayOut (ways.py) where it takes mail in or delivers. Nothing here knows a
service.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from gatepost.auth.backends.hashing import Hashing
from gatepost.config.configuration import Configuration
from gatepost.config.master import ServiceEntry
from gatepost.deliver.privileged import AGENT_SOCKET, AgentClient
from gatepost.events.records import Clock, Emit, Fault, Note
from gatepost.lookup.blocking import BlockingCalls
from gatepost.lookup.registry import Tables
from gatepost.lookup.server_access import ServerAccess
from gatepost.net.any_name import AnyNameResolver
from gatepost.net.connect import SocketConnector
from gatepost.net.dns import AresResolver
from gatepost.net.dnssec import DnssecResolver
from gatepost.net.port import AnswerSource, SecureSource
from gatepost.net.stream_client import Network
from gatepost.routing.routing import Routing
from gatepost.service import settings
from gatepost.service.log import Log
from gatepost.service.state_store import open_state
from gatepost.state.guesses import GuessTables
from gatepost.state.port import Counters, StateStore


class Materials(Struct, frozen=True):
    """What the services of one worker share.

    configuration: main.cf and master.cf.
    settings: the parameters that concern all services.
    log, fault: where what happens is told, and what nobody expected to be raised.
    clock: seconds since 1970.
    opened: the tables that are open; a service has them by tables().
    own_addresses: the IP addresses that are ours.
    routing: with the parameters of main.cf.
    resolver: DNS.
    any_name: the same for names that are no host names, too; each client has a share of its questions.
    dnssec: DNS of which it is known whether DNSSEC vouches for an answer.
    counters: of clients, common to all workers.
    guess_tables: of guessed passwords, common to all workers.
    hashing: computes password hashes, so many at one time in this worker.
    state: what outlives a restart, common to all workers.
    files: looks at folders that may hang.
    agent: asks the process with privileges.
    """

    configuration: Configuration
    settings: settings.WorkerSettings
    log: Log
    fault: Fault
    clock: Clock
    opened: Tables
    own_addresses: frozenset[str]
    routing: Routing
    resolver: AnswerSource
    any_name: AnyNameResolver
    dnssec: SecureSource
    counters: Counters
    guess_tables: GuessTables
    hashing: Hashing
    state: StateStore
    files: BlockingCalls
    agent: AgentClient

    @property
    def emit(self) -> Emit:
        """How a worker tells what happens where no service of master.cf does."""
        return self.log.emit

    @property
    def queue_directory(self) -> Path:
        return Path(self.settings.queue_directory)

    def emitter(self, entry: ServiceEntry) -> Emit:
        """How a service of master.cf tells what happens; it may have a `syslog_name` of its own."""
        return self.log.emitter(self.configuration.value("syslog_name", entry.overrides))

    def teller(self, service: str, emit: Emit | None = None, severity: str = "warning") -> Callable[[str], None]:
        """How a room that knows no events says a warning, or an error: as the program `service`."""
        return _teller(service, emit or self.emit, severity)

    def tables(self, service: str, emit: Emit | None = None, overrides: Mapping[str, str] | None = None) -> Tables:
        """The tables of this worker, as one of its services opens them: what is wrong with them is said in its name.
        `overrides`: of its line in master.cf."""
        heard = self.opened.heard_by(self.teller(service, emit), self.teller(service, emit, "error"))
        return heard.with_overrides(overrides) if overrides else heard

    def network(self) -> Network:
        """What a client of servers has from outside, as a worker has it."""
        return Network(SocketConnector(), self.resolver, time.monotonic, asyncio.sleep, random.random)

    def routing_with(self, overrides: Mapping[str, str]) -> Routing:
        """The routing of a service with parameters of its own. Raises ConfigurationError."""
        return _routing(self.configuration, overrides, self.opened, self.tables("cleanup"), self.own_addresses)


def gather(configuration: Configuration, log: Log, counters: Counters, guess_tables: GuessTables, fault: Fault) -> Materials:
    """The materials of a worker, in its event loop; no file is touched before it is used. Raises ConfigurationError."""
    shared = configuration.view(settings.WorkerSettings)
    warn, fail = (_teller("trivial-rewrite", log.emit, severity) for severity in ("warning", "error"))
    opened = Tables(warn, fail, access=ServerAccess(lambda: configuration))
    mapping = opened.heard_by(_teller("cleanup", log.emit), _teller("cleanup", log.emit, "error"))
    own = settings.own_addresses(shared)
    resolver = AresResolver(time.monotonic, transitional=shared.enable_idna2003_compatibility)
    return Materials(
        configuration=configuration,
        settings=shared,
        log=log,
        fault=fault,
        clock=time.time,
        opened=opened,
        own_addresses=own,
        routing=_routing(configuration, {}, opened, mapping, own),
        resolver=resolver,
        any_name=AnyNameResolver(resolver, lambda: resolver.nameservers),
        dnssec=DnssecResolver(time.monotonic),
        counters=counters,
        guess_tables=guess_tables,
        hashing=Hashing(shared.smtpd_auth_hash_limit),
        state=open_state(configuration, shared, _teller("state", log.emit)),
        files=BlockingCalls(settings.FILE_THREADS, settings.FILE_TIME_LIMIT),
        agent=AgentClient(str(Path(shared.queue_directory) / AGENT_SOCKET), settings.AGENT_TIME_LIMIT),
    )


def _teller(service: str, emit: Emit, severity: str = "warning") -> Callable[[str], None]:
    return lambda text: emit(Note(service, text, severity))


def _routing(
    configuration: Configuration, overrides: Mapping[str, str], opened: Tables, mapping: Tables, own: frozenset[str]
) -> Routing:
    return Routing(settings.routing_settings(configuration, overrides), opened, own, mapping=mapping)
