"""The composition root of a worker: every room built once and connected with its neighbours.

Nothing here decides anything about mail. Rooms that need each other (a message that is stored is delivered, one that is delivered
may become a notice, which is stored) are tied together here and nowhere else.
"""

import asyncio
import functools
from collections.abc import Mapping

from gatepost.admission.admission import CleanupAdmission
from gatepost.admission.storing import Storing
from gatepost.queue.notices import Notices, NoticeSettings
from gatepost.queue.partitions import Partitions
from gatepost.queue.probes import Probes, ProbeSettings
from gatepost.queue.scheduler import Scheduler
from gatepost.queue.settings import QueueSettings
from gatepost.service.background import lasting
from gatepost.service.cleanup import open_admission
from gatepost.service.internal_mail import UNCHECKED, InternalMail, checks_of_class
from gatepost.service.materials import Materials
from gatepost.service.password_tables import PasswordTables, password_files
from gatepost.service.pickup import Pickup
from gatepost.service.requeue import Requeue
from gatepost.service.submission import counting_bounces
from gatepost.service.tlsrpt import TlsReports
from gatepost.service.transports import Transports
from gatepost.service.verify import open_verifier, probe_routing
from gatepost.service.ways import WayIn


class Composition:
    """The rooms of one worker. To be made inside a running event loop. `way_in`: for the services that take mail in. Raises
    ConfigurationError."""

    def __init__(self, materials: Materials) -> None:
        configuration, emit = materials.configuration, materials.emit
        self.materials = materials
        self._partitions = Partitions(
            materials.queue_directory,
            emit=emit,
            on_change=lambda: self._scheduler.changed(),
            ledger_lifetime=materials.settings.queue_ledger_lifetime,
            clock=materials.clock,
        )
        self._storing = Storing(
            self._partitions,
            delivers=materials.settings.queue_deliver,
            deliver=lambda message: self._scheduler.accept(message),
            shelve=lambda message: self._partitions.shelve(message.id, range(len(message.envelope.recipients))),
            tell_of_success=lambda message, told: self._notices.succeeded(message, told),
            emit=emit,
            fault=materials.fault,
        )
        self._admission = functools.partial(open_admission, materials, self._partitions.staging, self._storing)
        self._notices = Notices(
            configuration.view(NoticeSettings), self._own_mail("bounce"), emit, materials.clock, configuration.expand
        )
        self._tls_reports = TlsReports(materials, self._internal_mail({}))
        self._transports = Transports(
            materials, self._partitions.staging, self._internal_mail(UNCHECKED), self._tls_reports.observer
        )
        self._passwords = PasswordTables(password_files(configuration), materials.agent.ask, materials.teller("smtp"))
        self._flushed = asyncio.Event()
        self._scheduler = Scheduler(
            self._partitions,
            resolve=materials.routing.resolve,
            resolve_probe=probe_routing(materials).resolve,
            agents=self._transports.agent,
            limits=self._transports.limits,
            notifier=counting_bounces(materials, self._notices),
            settings=configuration.view(QueueSettings),
            emit=emit,
            clock=materials.clock,
            program=self._transports.program,
            on_flush=self._flushed.set,
            fault=materials.fault,
        )
        self._verifier = open_verifier(
            materials,
            Probes(
                self._scheduler,
                self._partitions.new_id,
                configuration.view(ProbeSettings),
                emit=emit,
                clock=materials.clock,
                program=self._transports.program,
            ),
        )
        self.way_in = WayIn(
            admission=self._admission,
            new_id=self._partitions.new_id,
            notices=self._notices,
            notify=self._own_mail("notify"),
            flush=self._scheduler.flush,
            folder=lambda: self._partitions.staging().parent,
            free_space=self._partitions.free_space,
            verifier=self._verifier,
        )

    def _internal_mail(self, overrides: Mapping[str, str]) -> InternalMail:
        admission: CleanupAdmission = self._admission(overrides)
        return InternalMail(admission, self._partitions.new_id, self.materials.settings)

    def _own_mail(self, mail_class: str) -> InternalMail:
        return self._internal_mail(checks_of_class(mail_class, self.materials.settings))

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin what goes on for as long as the worker lives."""
        fault = self.materials.fault
        group.create_task(lasting(self._partitions.run, "the care of queue partitions", fault))
        group.create_task(lasting(self._passwords.run, "the watch over tables of passwords", fault))
        if self.materials.settings.queue_deliver:
            group.create_task(lasting(self._scheduler.run, "the scheduler", fault))
        group.create_task(lasting(self._tls_reports.collect, "the counting for TLS reports", fault))

    def take_in(self, group: asyncio.TaskGroup) -> list["asyncio.Task[None]"]:
        """Begin to take in what users leave in the maildrop, what is requeued, and reports of our own, until cancelled. Raises
        ConfigurationError."""
        pickup = Pickup(self.materials, self.way_in)
        requeue = Requeue(self.materials, self.way_in, self._partitions, self._flushed)
        works = (
            (pickup.run, "pickup"),
            (requeue.run, "the taking in of requeued mail"),
            (self._tls_reports.send, "the sending of TLS reports"),
        )
        return [group.create_task(lasting(run, name, self.materials.fault)) for run, name in works]

    async def hand_over(self) -> None:
        """Let other workers have the queue, but for the deliveries under way, and the places at next hops."""
        self._scheduler.retire()
        await self._transports.close()
        await self._partitions.hand_over()

    async def wind_down(self) -> None:
        """Start no more deliveries, and return when those under way are over."""
        await self._scheduler.wind_down()

    async def stop(self) -> None:
        """Let deliveries under way finish, and start no more."""
        await self._verifier.close()
        await self._storing.finish()
        await self._scheduler.stop()
        await self._transports.close()
        await self._tls_reports.store()
        await self.materials.state.close()

    def close(self) -> None:
        """Commit what is pending, and give up what is held."""
        self._partitions.close()
        self.materials.opened.close()
