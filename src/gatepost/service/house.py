"""A worker's house: every room built once from the configuration and connected with its neighbours. The composition root.

Nothing here decides anything about mail: it reads settings, opens tables, and hands each room what it asks for.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from gatepost.admission.admission import Admission
from gatepost.admission.gates import Gates
from gatepost.admission.service import CleanupService
from gatepost.admission.settings import CleanupSettings
from gatepost.admission.storing import Storing
from gatepost.config.configuration import Configuration
from gatepost.config.master import ServiceEntry
from gatepost.deliver.privileged import AGENT_SOCKET, AgentClient
from gatepost.events.records import Emit, Fault, Note, tell_fault
from gatepost.lookup.blocking import BlockingCalls
from gatepost.lookup.registry import Tables
from gatepost.lookup.server_access import ServerAccess
from gatepost.net.dns import AresResolver
from gatepost.queue.notices import Notices, NoticeSettings
from gatepost.queue.partitions import Partitions
from gatepost.queue.scheduler import Scheduler
from gatepost.queue.settings import QueueSettings
from gatepost.routing.routing import Routing
from gatepost.routing.settings import RoutingSettings
from gatepost.service import settings
from gatepost.service.background import lasting
from gatepost.service.cleanup_line import cleanup_line
from gatepost.service.gates import non_smtpd_gates
from gatepost.service.internal_mail import InternalMail
from gatepost.service.log import Log
from gatepost.service.state_store import open_state
from gatepost.service.transports import Transports
from gatepost.state.port import Counters, StateStore


class House:
    """Everything that the services of one worker share. To be made inside a running event loop. `fault`: whom to tell of what
    nobody expected to be raised."""

    def __init__(self, configuration: Configuration, log: Log, counters: Counters, fault: Fault | None = None) -> None:
        self.configuration = configuration
        self.log = log
        self.clock = time.time
        self.settings = configuration.view(settings.HouseSettings)
        self.queue_directory = Path(self.settings.queue_directory)
        self.emit = log.emit
        self.fault = fault or tell_fault("worker", log.emit)
        self._tables = Tables(
            self.teller("trivial-rewrite"),
            self.teller("trivial-rewrite", severity="error"),
            access=ServerAccess(lambda: configuration),
        )
        self.accounts = self._tables.accounts
        self._cleanup_tables = self.tables("cleanup")
        self.own_addresses = settings.own_addresses(self.settings)
        self.routing = self._routing()
        self.resolver = AresResolver(time.monotonic)
        self.counters = counters
        self.state: StateStore = open_state(configuration, self.settings, self.teller("state"))
        self.files = BlockingCalls(settings.FILE_THREADS, settings.FILE_TIME_LIMIT)
        self.agent = AgentClient(str(self.queue_directory / AGENT_SOCKET), settings.AGENT_TIME_LIMIT)
        self.partitions = Partitions(
            self.queue_directory,
            emit=self.emit,
            on_change=lambda: self.scheduler.changed(),
            ledger_lifetime=self.settings.queue_ledger_lifetime,
            clock=self.clock,
        )
        self._storing = Storing(
            self.partitions,
            delivers=self.settings.queue_deliver,
            deliver=lambda message: self.scheduler.accept(message),
            shelve=self.partitions.shelve,
            tell_of_success=lambda message, told: self.notices.succeeded(message, told),
            emit=self.emit,
            fault=self.fault,
        )
        self.flushed = asyncio.Event()
        self.internal_mail = InternalMail(self)
        self.notify = InternalMail.of_class(self, "notify")
        self.notices = Notices(
            configuration.view(NoticeSettings), InternalMail.of_class(self, "bounce"), self.emit, self.clock, configuration.expand
        )
        self.transports = Transports(self)
        self.scheduler = Scheduler(
            self.partitions,
            resolve=self.routing.resolve,
            agents=self.transports.agent,
            limits=self.transports.limits,
            notifier=self.notices,
            settings=configuration.view(QueueSettings),
            emit=self.emit,
            clock=self.clock,
            program=self.transports.program,
            on_flush=self.flushed.set,
            fault=self.fault,
        )

    def teller(self, service: str, emit: Emit | None = None, severity: str = "warning") -> Callable[[str], None]:
        """How a room that knows no events says a warning, or an error: as the program `service`."""
        tell = emit or self.emit
        return lambda text: tell(Note(service, text, severity))

    def tables(self, service: str, emit: Emit | None = None) -> Tables:
        """The tables of this worker, as one of its services opens them: what is wrong with them is said in its name."""
        return self._tables.heard_by(self.teller(service, emit), self.teller(service, emit, "error"))

    def emitter(self, entry: ServiceEntry) -> Emit:
        """How a service of master.cf tells what happens; it may have a `syslog_name` of its own."""
        return self.log.emitter(self.configuration.value("syslog_name", entry.overrides))

    def admission(self, overrides: Mapping[str, str], gates: Gates | None = None) -> Admission:
        """The way into the queue of a service: the cleanup of that line which cleanup_service_name names, with its parameters, and
        with those of the service where that line is silent. `gates`: of its sessions; None: its mail does not come by any. Raises
        ConfigurationError."""
        entry = cleanup_line(self.configuration, overrides)
        own: Mapping[str, str] = entry.overrides if entry else {}
        return Admission(
            CleanupService(
                self.configuration.view(CleanupSettings, {**overrides, **own}),
                self._routing(own) if own.keys() & set(RoutingSettings.__struct_fields__) else self.routing,
                self._cleanup_tables,
                staging=self.partitions.staging,
                store=self._storing,
                clock=self.clock,
                emit=self.emitter(entry) if entry else self.emit,
                gates=gates or non_smtpd_gates(self, overrides),
            )
        )

    def _routing(self, overrides: Mapping[str, str] | None = None) -> Routing:
        """The routing of a service."""
        view = settings.routing_settings(self.configuration, overrides)
        return Routing(view, self._tables, self.own_addresses, mapping=self._cleanup_tables)

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin what goes on for as long as the worker lives."""
        group.create_task(lasting(self.partitions.run, "the care of queue partitions", self.fault))
        if self.settings.queue_deliver:
            group.create_task(lasting(self.scheduler.run, "the scheduler", self.fault))

    async def stop(self) -> None:
        """Let deliveries under way finish, and start no more."""
        await self._storing.finish()
        await self.scheduler.stop()
        await self.transports.close()
        await self.state.close()

    def close(self) -> None:
        """Commit what is pending, and give up what is held."""
        self.partitions.close()
        self._tables.close()
