"""The scheduler: takes messages in hand, asks where they go, and gives them to delivery agents (qmgr(8)).

A message just stored is delivered from memory. The active set is bounded in messages, recipients and octets; what does not
fit waits in the store and is claimed by index when there is room: untried messages first come first served, others by
destination in turn. A dead or crowded destination is not even looked at.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol

from msgspec.structs import replace

from gatepost.events.notes import PartitionFailed
from gatepost.events.records import Activated, Emit, Fault, Note, tell_fault
from gatepost.lookup import pattern_time
from gatepost.lookup.port import LookupFailure
from gatepost.mail.address import domain_of
from gatepost.mail.ascii_text import elements
from gatepost.mail.delivery import DeliveryRequest, Purpose, Reached, Report
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.mail.queued import ActiveMessage, QueuedRecipient
from gatepost.mail.submission import QueueUnavailable
from gatepost.net.turns import Turns
from gatepost.queue.attempts import Agents, attempt
from gatepost.queue.clogging import Clogging
from gatepost.queue.contents import in_memory
from gatepost.queue.destinations import Destinations, Job, Site, Transport
from gatepost.queue.port import NewMessage, Notifier, Settlement, Status
from gatepost.queue.requests import DISCARDED, at_most, is_double_bounce, requests, unsent
from gatepost.queue.results import TRANSPORT_DEFERRED, TRANSPORT_UNAVAILABLE, UNRESOLVED, Ledger, Pass, Results
from gatepost.queue.schedule import delivery_order, with_verp
from gatepost.queue.settings import Limits, QueueSettings
from gatepost.queue.transaction import Claim, Claimed
from gatepost.routing.port import AddressClass, Route

Resolve = Callable[[str, str], Awaitable[Route]]

ROUND = 1.0
"""Seconds between looks into the store."""
PER_SITE = 100
"""Recipients of one destination to have in hand from the store: enough to keep its window busy until the next look."""
AT_ONCE = 1000
"""Recipients to claim in one transaction."""
ACTIVE_OCTETS = 256 * 1024 * 1024
"""Octets of contents in memory."""

_REDIRECTED = Outcome(Class.OK, "2.0.0", "redirected")
_LIFETIMES_DISAGREE = "bounce_queue_lifetime is larger than maximal_queue_lifetime - adjusting bounce_queue_lifetime"


class ClaimingStore(Protocol):
    """A partition, as far as the scheduler takes from it (store.py)."""

    partition: int

    async def claim(self, wanted: Claim) -> Claimed: ...

    async def claim_fresh(self, wanted: Claim) -> Claimed: ...


class Queue(Ledger, Protocol):
    """All partitions of a worker (partitions.py)."""

    def stores(self) -> Sequence[ClaimingStore]: ...

    def shelve(self, identity: QueueId, indexes: Iterable[int], site: str = "") -> None: ...

    async def hasten(self) -> None:
        """Make everything that waits due."""
        ...

    async def flushes(self) -> int:
        """How often tools have asked for everything to be tried."""
        ...


class Scheduler:
    """`resolve(address, sender)` routes an address, `resolve_probe` one that is only verified;
    `agents(transport)` gives its agent or raises LookupError;
    `limits(transport)` its limits; `program(transport)` its master.cf program, for the log; `on_flush` is called when somebody
    wants everything tried; `fault` is told of what nobody expected to be raised, which costs the recipients at hand another attempt
    and says nothing of the site that they go to."""

    def __init__(
        self,
        queue: Queue,
        *,
        resolve: Resolve,
        resolve_probe: Resolve | None = None,
        agents: Agents,
        limits: Limits,
        notifier: Notifier,
        settings: QueueSettings,
        emit: Emit,
        clock: Callable[[], float],
        program: Callable[[str], str] = str,
        on_flush: Callable[[], object] = lambda: None,
        fault: Fault | None = None,
    ) -> None:
        self._queue = queue
        self._on_flush = on_flush
        self._resolve = resolve
        self._resolve_probe = resolve_probe or resolve
        self._agents = agents
        self._settings = settings
        self._put_off = frozenset(elements(settings.defer_transports))
        self._emit = emit
        self._fault = fault or tell_fault("qmgr", emit)
        self._clock = clock
        self._destinations = Destinations(limits, settings, program)
        self._clogging = Clogging(settings, emit, clock)
        self._results = Results(queue, notifier, settings, emit, clock, program, self._fault)
        self._tasks: set[asyncio.Task[None]] = set()
        self._messages = self._recipients = self._octets = 0
        self._cursors: dict[int, str] = {}
        self._more = False
        self._retired = self._stopping = False
        self._wake = asyncio.Event()
        self._changed = True
        self._flushes: int | None = None

    @property
    def active(self) -> int:
        """Messages in hand."""
        return self._messages

    def accept(self, message: NewMessage) -> None:
        """Take in hand a message that `put` has just stored. Messages on hold are left alone."""
        envelope = message.envelope
        if envelope.hold:
            return
        if not self._has_room():
            self._queue.shelve(message.id, range(len(envelope.recipients)))
            self._more = True
            return
        recipients = tuple([QueuedRecipient(index, recipient) for index, recipient in enumerate(envelope.recipients)])
        active = ActiveMessage(
            message.id, replace(envelope, recipients=()), message.content, message.size, recipients, self._clock()
        )
        self._activate(Pass(active, self._results, fresh=True))

    async def run(self) -> None:
        """Look into the store from time to time, until `stop`."""
        if self._settings.bounce_queue_lifetime > self._settings.maximal_queue_lifetime:
            self._emit(Note("qmgr", _LIFETIMES_DISAGREE, severity="warning"))
        while not self._stopping:
            self._wake.clear()
            if self._changed:
                await self._notice()
            self._destinations.sweep(self._clock())
            self._clogging.look(self._destinations, self._messages)
            if self._has_room():
                await self._replenish()
            try:
                async with asyncio.timeout(ROUND):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def wake(self) -> None:
        """Look into the store now."""
        self._wake.set()

    def changed(self) -> None:
        """A tool has written to the store (Partitions' `on_change`): see what it wants."""
        self._changed = True
        self._wake.set()

    def revive(self) -> None:
        """Give dead destinations another chance now."""
        self._destinations.revive()
        self._wake.set()
        self._on_flush()

    async def flush(self) -> None:
        """Try everything that waits now (`postqueue -f`). Raises QueueUnavailable."""
        await self._queue.hasten()
        self.revive()

    def retire(self) -> None:
        """Start no more deliveries of queued mail; what waits for its turn waits in the store. Probes go on."""
        self._retired = True
        for job in self._destinations.drain():
            self._spawn(self._guarded(job.active, self._submit(job)))

    async def wind_down(self) -> None:
        """Start nothing more, and return when nothing runs: a delivery that is cut off at the end of its data arrives twice."""
        self._retired = self._stopping = True
        self._wake.set()
        self._destinations.drain()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self, grace: float = 5.0) -> None:
        """Wind down within `grace` seconds; what still runs is given up, and due for the partition's next owner."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wind_down(), grace)
        for task in self._tasks:
            task.cancel()

    # The active set

    def probe(self, active: Pass) -> None:
        """Begin a pass that verifies an address (Purpose.VERIFY). It waits for its turn among the deliveries to its site, and is
        otherwise no part of the queue: nothing of it is in the store, nor counted. How many there are is the caller's business."""
        active.in_hand = False
        if self._stopping:
            active.sink.abandon(active)
        else:
            self._spawn(self._guarded(active, self._route(active)))

    def _has_room(self) -> bool:
        """Whether more of the queue may be taken in hand; nothing is any more once it retires."""
        settings = self._settings
        return (
            not self._retired
            and self._messages < settings.qmgr_message_active_limit
            and self._recipients < settings.qmgr_message_recipient_limit
            and self._octets < ACTIVE_OCTETS
        )

    def _activate(self, active: Pass) -> None:
        message = active.message
        self._messages += 1
        self._recipients += len(message.recipients)
        self._octets += in_memory(message.content)
        self._emit(Activated("qmgr", active.identity, message.envelope.sender, message.size, len(message.recipients)))
        self._spawn(self._guarded(active, self._route(active)))

    async def _finished(self, active: Pass) -> None:
        try:
            await active.sink.finish(active)
        finally:
            self._leave(active)

    def _leave(self, active: Pass) -> None:
        """The message is in hand no more."""
        if not active.in_hand:
            return
        active.in_hand = False
        message = active.message
        self._messages -= 1
        self._recipients -= len(message.recipients)
        self._octets -= in_memory(message.content)
        if self._more and self._messages * 2 <= self._settings.qmgr_message_active_limit:
            self._wake.set()

    async def _replenish(self) -> None:
        self._more = False
        for store in self._queue.stores():
            skip = self._destinations.crowded(PER_SITE)
            wanted = Claim(self._clock(), AT_ONCE, PER_SITE, skip, self._cursors.get(store.partition, ""))
            try:
                for claimed in (await store.claim_fresh(wanted), await store.claim(wanted)):
                    self._take(claimed)
            except QueueUnavailable as error:
                self._emit(PartitionFailed("qmgr", store.partition, str(error)))
            else:
                self._cursors[store.partition] = claimed.after
                self._more = self._more or not claimed.exhausted
        if self._more and self._has_room():
            self._wake.set()

    async def _notice(self) -> None:
        """Dead destinations get another chance when a tool has asked for a flush since the last look."""
        try:
            flushes = await self._queue.flushes()
        except QueueUnavailable:
            return
        if self._flushes is not None and flushes > self._flushes:
            self._destinations.revive()
            self._on_flush()
        self._flushes = flushes
        self._changed = False

    def _take(self, claimed: Claimed) -> None:
        now = self._clock()
        for message in claimed.messages:
            active = Pass(replace(message, entered=now), self._results, fresh=False)
            try:
                self._activate(active)
            except Exception as error:  # the others are claimed too, and nobody else would look at them
                self._break_off(active, error)
        self._more = self._more or len(claimed.messages) >= AT_ONCE

    async def _guarded(self, active: Pass, step: Coroutine[Any, Any, None]) -> None:
        """A step of a message's pass; whatever unforeseen it raises costs a deferral."""
        pattern_time.begin()
        try:
            await step
        except Exception as error:
            self._break_off(active, error)

    def _break_off(self, active: Pass, error: Exception) -> None:
        self._fault(error, f"{active.identity}: delivery broke off, it is tried again later")
        try:
            active.sink.abandon(active)
        finally:
            self._leave(active)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fault(error, "what was in hand is delivered after the next start")

    # One message

    async def _route(self, active: Pass) -> None:
        """Sort the recipients of a message by destination; deliver the first job here, others in tasks of their own."""
        if active.message.expire:
            self._results.expire(active)
            await self._finished(active)
            return
        by_site: dict[Site, list[QueuedRecipient]] = {}
        turns = Turns()
        for recipient in self._wanted(active):
            if turns.over():
                await turns.rest()
            route = await self._destination(active, recipient)
            if isinstance(route, Outcome):
                active.sink.record(active, [unsent(recipient, route)], "error", "")
                continue
            if route.why:
                active.whys[recipient.index] = route.why
            address = route.recipient
            if address != recipient.recipient.address:
                recipient = replace(recipient, recipient=replace(recipient.recipient, address=address))
            site = self._destinations.site(route.transport, route.nexthop, address)
            by_site.setdefault(site, []).append(recipient)
        if not active.pending:
            await self._finished(active)
        jobs = [
            Job(active, recipients, site)
            for site, of_site in by_site.items()
            for recipients in requests(sorted(of_site, key=delivery_order), at_most(active.message.envelope, site))
        ]
        if len(jobs) == 1 and self._is_too_much(jobs[0]):
            await self._put_back(jobs[0])
            return
        for job in jobs[1:]:
            await self._submit(job)
        if jobs:
            await self._submit(jobs[0], here=True)

    def _is_too_much(self, job: Job) -> bool:
        """Whether more jobs wait for a site than there is room left for messages: then its mail, a whole message of it, waits in
        the store. So there is room for others, however many sites are slow."""
        room = self._settings.qmgr_message_active_limit - self._messages
        if job.active.purpose is Purpose.VERIFY:
            return False
        return len(job.site.waiting) > room and len(job.recipients) == len(job.active.message.recipients)

    def _wanted(self, active: Pass) -> Sequence[QueuedRecipient]:
        """The recipients to deliver to: a redirected message goes to one address once, instead of them all (access(5))."""
        recipients = active.message.recipients
        if not active.message.envelope.redirect or len(recipients) == 1:
            return recipients
        identity = active.message.id
        self._queue.settle([Settlement(identity, r.index, Status.DELETED, _REDIRECTED) for r in recipients[1:]])
        active.pending = 1
        return recipients[:1]

    async def _destination(self, active: Pass, recipient: QueuedRecipient) -> Route | Outcome:
        """Where a recipient goes, or why it goes nowhere now."""
        message = active.message
        envelope = message.envelope
        try:
            if envelope.content_filter and not envelope.redirect and active.purpose is Purpose.DELIVER:
                route = self._filtered(envelope.content_filter, recipient.recipient.address)
            else:
                resolve = self._resolve_probe if active.purpose is Purpose.VERIFY else self._resolve
                route = await resolve(envelope.redirect or recipient.recipient.address, envelope.sender)
        except LookupFailure as failure:
            self._emit(Note("qmgr", f"resolver failure: {failure}", severity="warning", queue_id=str(message.id)))
            return replace(UNRESOLVED, why=failure.because(key=recipient.recipient.address))
        except Exception as error:
            self._fault(error, f"{message.id}: a recipient is not resolved, it is tried again later")
            return UNRESOLVED
        if route.failure is not None:
            return route.failure
        if is_double_bounce(route, self._settings.double_bounce_sender):
            return DISCARDED
        if route.transport in self._put_off and not message.flushed:
            return TRANSPORT_DEFERRED
        return route

    def _filtered(self, content_filter: str, address: str) -> Route:
        """A content filter takes every recipient as it is; without a next hop it is looked for at default_filter_nexthop, or the
        recipient's domain."""
        transport, _, nexthop = content_filter.partition(":")
        nexthop = nexthop or self._settings.default_filter_nexthop or domain_of(address)
        return Route(transport, nexthop, address, AddressClass.DEFAULT)

    # One delivery

    async def _submit(self, job: Job, *, here: bool = False) -> None:
        """Start a job if its destination has a free slot (in this task if `here`), else let it wait."""
        site = job.site
        if self._retired and job.active.purpose is not Purpose.VERIFY:
            await self._put_back(job)
        elif site.verdict is not None:
            await self._suspended(job, site.verdict)
        elif site.waiting or not (site.is_open and site.transport.is_open):
            site.transport.enqueue(job)
        else:
            site.transport.begin(site)
            if here:
                await self._slot(job)
            else:
                self._spawn(self._slot(job))

    async def _put_back(self, job: Job) -> None:
        """Let recipients wait in the store, and end the pass that they leave where it waits for nobody else."""
        active = job.active
        self._queue.shelve(active.message.id, [recipient.index for recipient in job.recipients], job.site.key)
        active.fresh = False
        active.pending -= len(job.recipients)
        if not active.pending:
            await self._finished(active) if active.has_reports else self._leave(active)

    async def _slot(self, job: Job) -> None:
        """A delivery slot: this job, then whichever of the same transport has its turn."""
        following: Job | None = job
        while following is not None:
            await self._guarded(following.active, self._attempt(following))
            following = self._release(following.site)

    def _release(self, site: Site) -> Job | None:
        transport = site.transport
        transport.end(site)
        limits = transport.limits
        if limits.destination_rate_delay > 0:
            self._pause(site, site, limits.destination_rate_delay)
        if limits.transport_rate_delay > 0:
            self._pause(transport, site, limits.transport_rate_delay)
        if self._stopping:
            return None
        transport.offer(site)
        following = transport.take()
        self._start(transport)
        return following

    def _pause(self, what: Site | Transport, site: Site, seconds: float) -> None:
        """Start nothing there for a while; then `site` may take its turn."""

        def resume() -> None:
            what.paused = False
            site.transport.offer(site)
            self._start(site.transport)

        what.paused = True
        asyncio.get_running_loop().call_later(seconds, resume)

    def _start(self, transport: Transport) -> None:
        while not self._stopping and (job := transport.take()) is not None:
            self._spawn(self._slot(job))

    async def _attempt(self, job: Job) -> None:
        site, active = job.site, job.active
        message = active.message
        if message.envelope.verp:
            message = replace(message, envelope=with_verp(message.envelope, job.recipients[0].recipient))
        request = DeliveryRequest(message, job.recipients, site.transport.name, site.nexthop, active.purpose)
        reports = await attempt(request, self._agents, emit=self._emit, fault=self._fault, clock=self._clock)
        spokesman = "error" if any(report.outcome is TRANSPORT_UNAVAILABLE for report in reports) else site.transport.name
        active.sink.record(active, reports, spokesman, site.key)
        await self._learn(site, reports)
        if not active.pending:
            await self._finished(active)

    async def _learn(self, site: Site, reports: Sequence[Report]) -> None:
        """Open or close the window; when the site is dead, nothing waits for it."""
        trouble = next((report.outcome for report in reports if report.reached is Reached.NO), None)
        if trouble is None:
            if any(report.reached is Reached.YES for report in reports):
                site.window.succeeded(site.busy)
            return
        if site.verdict is None and site.window.failed():
            for job in site.die(trouble, self._clock() + self._settings.minimal_backoff_time):
                await self._suspended(job, trouble)
                await asyncio.sleep(0)  # thousands may have waited: other mail goes on between them

    async def _suspended(self, job: Job, verdict: Outcome) -> None:
        outcome = replace(verdict, text=f"delivery temporarily suspended: {verdict.text}")
        now = self._clock()
        reports = [Report(recipient, outcome, started=now) for recipient in job.recipients]
        job.active.sink.record(job.active, reports, "error", job.site.key)
        if not job.active.pending:
            await self._finished(job.active)
