"""How attempts ended: log records, settlements, and reports to the sender when a message's active pass is over.

Delivered recipients are settled at once. Failed ones only when the pass ends and after their notice is durable; those that
wait are given their next attempt then too. Whatever goes wrong in between leaves a recipient queued, never lost.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from gatepost.events.notes import Expired, NoticeNotSent
from gatepost.events.records import Delivered, Emit, Fault, Note, Removed
from gatepost.mail.delivery import Purpose, Report
from gatepost.mail.envelope import Notify, Trace
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.mail.queued import ActiveMessage
from gatepost.mail.reason import Reason, shown
from gatepost.mail.submission import QueueUnavailable
from gatepost.queue.port import Failure, Notifier, Settlement, Status
from gatepost.queue.schedule import delivery_order, is_expired, is_late, next_attempt
from gatepost.queue.settings import QueueSettings
from gatepost.queue.transaction import TRACED, WARNED

_EXPIRED_BY_HAND = Outcome(Class.TEMPORARY, "4.7.0", "message is administratively expired", why=Reason("postsuper -e"))
TRANSPORT_UNAVAILABLE = Outcome(Class.TEMPORARY, "4.3.0", "mail transport unavailable", why=Reason("transport"))
TRANSPORT_DEFERRED = Outcome(Class.TEMPORARY, "4.3.2", "deferred transport", why=Reason("defer_transports"))
UNRESOLVED = Outcome(Class.TEMPORARY, "4.3.0", "address resolver failure", why=Reason("resolve"))
"""Why a recipient is not tried: its transport is not there, or put off; its address has no answer."""

BROKEN = Outcome(Class.TEMPORARY, "4.3.0", "unknown mail transport error", why=Reason("fault of our own"))
"""A fault of our own."""


class Ledger(Protocol):
    """What results need of the queue (partitions.py)."""

    def settle(self, settlements: Sequence[Settlement]) -> None: ...

    async def live(self, identity: QueueId) -> int: ...

    async def mark(self, identity: QueueId, flag: int) -> None: ...


class Ended(Struct, frozen=True):
    """A report that is kept until the pass ends, and the site that it is about (empty: none)."""

    report: Report
    site: str


class Sink(Protocol):
    """Where the results of a pass go."""

    def record(self, active: "Pass", reports: Sequence[Report], transport: str, site: str) -> None:
        """An attempt of this transport has ended for some recipients."""
        ...

    async def finish(self, active: "Pass") -> None:
        """Every recipient has been reported."""
        ...

    def abandon(self, active: "Pass") -> None:
        """The pass broke off, by a fault of our own."""
        ...


class Pass:
    """The active pass of a message: what has been reported of it so far.

    - `sink`: who takes its results.
    - `purpose`: what its attempts are for.
    - `fresh`: straight from `put`, so that all its recipients are in this pass.
    - `pending`: recipients not reported yet.
    - `in_hand`: it counts as active.
    - `trace`: bits of Trace, by which everything is kept in `traced` as well, and for a REPORT nowhere else.
    - `whys`: by recipient, why its route leads nowhere.
    """

    __slots__ = (
        "deferred", "delivered", "failed", "fresh", "identity", "in_hand", "message", "pending", "purpose", "sink", "trace",
        "traced", "whys",
    )  # fmt: skip

    def __init__(self, message: ActiveMessage, sink: Sink, *, fresh: bool, purpose: Purpose | None = None) -> None:
        """`purpose`: None for mail of the queue, which says itself whether it is to be delivered."""
        self.message = message
        self.sink = sink
        self.fresh = fresh
        self.identity = str(message.id)
        self.in_hand = True
        trace = message.envelope.trace
        self.purpose = purpose or (Purpose.REPORT if trace & Trace.VERIFY else Purpose.DELIVER)
        self.trace = 0 if message.traced and self.purpose is Purpose.DELIVER else trace
        self.pending = len(message.recipients)
        self.delivered: list[Ended] = []
        self.deferred: list[Ended] = []
        self.failed: list[Ended] = []
        self.traced: list[Ended] = []
        self.whys: dict[int, Reason] = {}

    @property
    def has_reports(self) -> bool:
        """Whether anything is kept until its end."""
        return bool(self.failed or self.deferred or self.delivered or self.traced)


class Results:
    """`program`: the master.cf program of a transport, for the log."""

    def __init__(
        self,
        ledger: Ledger,
        notifier: Notifier,
        settings: QueueSettings,
        emit: Emit,
        clock: Callable[[], float],
        program: Callable[[str], str],
        fault: Fault,
    ) -> None:
        self._ledger = ledger
        self._notifier = notifier
        self._settings = settings
        self._emit = emit
        self._clock = clock
        self._program = program
        self._fault = fault

    def record(self, active: Pass, reports: Sequence[Report], transport: str, site: str) -> None:
        """Take down how an attempt ended for some recipients of a pass."""
        now = self._clock()
        if active.purpose is Purpose.DELIVER:  # first of all: whatever breaks from here on, nobody gets it twice
            self._ledger.settle([
                Settlement(active.message.id, report.recipient.index, Status.DELIVERED, report.outcome)
                for report in reports
                if report.outcome.cls is Class.OK
            ])  # fmt: skip
        for report in reports:
            for part in (report,) if report.parts is None else report.parts:
                self._tell(active, part, transport, site, now)
        active.pending -= len(reports)

    def expire(self, active: Pass) -> None:
        """End a pass without an attempt: what an administrator has expired goes back for the reason it has waited for."""
        for recipient in active.message.recipients:
            if recipient.last is None:  # nothing of it is in the log yet
                self._emit(delivered("error", active, Report(recipient, _EXPIRED_BY_HAND), "deferred", self._clock()))
            active.deferred.append(Ended(Report(recipient, recipient.last or _EXPIRED_BY_HAND), ""))
        active.pending = 0

    def _tell(self, active: Pass, report: Report, transport: str, site: str, now: float) -> None:
        """Log one result and keep it for the notices."""
        if active.whys and report.outcome.cls is not Class.OK and (why := active.whys.get(report.recipient.index)):
            report = replace(report, outcome=replace(report.outcome, why=why))
        if active.purpose is Purpose.REPORT:
            status = probed(report)
        elif report.outcome.cls is Class.OK:
            status = "sent"
            if report.expanded or self._is_awaited(active, report):
                active.delivered.append(Ended(report, site))
        else:
            status, report = self._not_delivered(active, report, site)
        if active.trace:
            active.traced.append(Ended(report, site))
        if not report.expanded:
            self._emit(delivered(report.service or self._program(transport), active, report, status, now))

    def _is_awaited(self, active: Pass, report: Report) -> bool:
        """Whether the sender wants to hear of a success: always, or after having been warned (confirm_delay_cleared)."""
        notify = report.recipient.recipient.notify
        if notify & Notify.SUCCESS:
            return not report.dsn_relayed
        return active.message.warned and self._settings.confirm_delay_cleared and (not notify or bool(notify & Notify.DELAY))

    def _not_delivered(self, active: Pass, report: Report, site: str) -> tuple[str, Report]:
        if report.outcome.cls is Class.TEMPORARY:
            active.deferred.append(Ended(report, site))
            return "deferred", report
        if self._settings.soft_bounce:
            report = replace(report, outcome=softened(report.outcome))
            active.deferred.append(Ended(report, site))
            return "SOFTBOUNCE", report
        active.failed.append(Ended(report, site))
        return "bounced", report

    async def finish(self, active: Pass) -> None:
        """End a pass: send the reports it calls for, settle the rest, and tell when the message is gone."""
        if active.failed:
            await self._return(active, active.failed, Status.BOUNCED)
        if active.traced:
            await self._trace(active)
        elif active.delivered:
            await self._notify(active, active.delivered, self._notifier.succeeded)
        if active.deferred:
            await self._defer(active)
        if not active.deferred and (active.fresh or await self._is_done(active.message.id)):
            self._emit(Removed("qmgr", active.identity))

    async def _trace(self, active: Pass) -> None:
        """Report what came of the message to who asked for it by hand, once; where nothing else was wanted, that settles it."""
        told = await self._notify(active, active.traced, self._notifier.traced)
        if active.purpose is Purpose.REPORT and told:
            outcomes = {e.report.recipient.index: e.report.outcome for e in active.traced}
            identity = active.message.id
            self._ledger.settle([Settlement(identity, index, Status.PROBED, outcome) for index, outcome in outcomes.items()])
        elif active.purpose is Purpose.REPORT:
            active.deferred = active.traced
        elif told and active.deferred:
            await self._mark(active.message.id, TRACED)

    def abandon(self, active: Pass) -> None:
        """A pass broke off: all that it has not settled is tried again later."""
        identity = active.message.id
        due = next_attempt(self._clock(), identity.arrival, self._settings)
        self._ledger.settle([Settlement(identity, r.index, Status.QUEUED, BROKEN, due) for r in active.message.recipients])

    async def _defer(self, active: Pass) -> None:
        message, now = active.message, self._clock()
        arrival = message.id.arrival
        if message.expire or is_expired(message.envelope, now, arrival, self._settings):
            ended, active.deferred = active.deferred, []
            word = "force-expired" if message.expire else "expired"
            self._emit(Expired("qmgr", message.envelope.sender, word, queue_id=active.identity))
            await self._return(active, ended, Status.EXPIRED)
        elif is_late(message.warned, now, arrival, self._settings) and await self._notify(
            active, active.deferred, self._notifier.delayed, "delayed"
        ):
            await self._mark(message.id, WARNED)
        self._requeue(active, active.deferred)

    async def _return(self, active: Pass, ended: list[Ended], status: Status) -> None:
        """Return recipients to their sender; those whose notice could not be made stay in the queue."""
        if await self._notify(active, ended, self._notifier.bounced, "failed"):
            identity = active.message.id
            # A recipient of whose parts some wait stays in the queue.
            waiting = {e.report.recipient.index for e in active.deferred}
            left = {e.report.recipient.index: e for e in ended if e.report.recipient.index not in waiting}
            self._ledger.settle([Settlement(identity, index, status, e.report.outcome) for index, e in left.items()])
        elif ended is active.failed:
            active.deferred.extend(ended)
        else:
            active.deferred = ended

    def _requeue(self, active: Pass, ended: list[Ended]) -> None:
        identity = active.message.id
        due = next_attempt(self._clock(), identity.arrival, self._settings)
        self._ledger.settle(
            [Settlement(identity, e.report.recipient.index, Status.QUEUED, e.report.outcome, due, site=e.site) for e in ended]
        )

    async def _notify(self, active: Pass, ended: list[Ended], send: "_Send", action: str = "") -> bool:
        """Send a notice; `action` is what it says of every recipient, unless each says it for itself."""
        reports = sorted((e.report for e in ended), key=lambda report: delivery_order(report.recipient))
        own = probed if active.purpose is Purpose.REPORT else _action
        failures = [Failure(report.recipient, report.outcome, action or own(report), report.relay) for report in reports]
        try:
            await send(active.message, failures)
        except (QueueUnavailable, OSError) as error:
            self._emit(NoticeNotSent("qmgr", repr(error), queue_id=active.identity))
            return False
        except Exception as error:  # whatever a notice cannot say must not cost the message
            self._fault(error, f"{active.identity}: notice not sent, it is tried again later")
            return False
        return True

    async def _is_done(self, identity: QueueId) -> bool:
        try:
            return not await self._ledger.live(identity)
        except QueueUnavailable:
            return False

    async def _mark(self, identity: QueueId, flag: int) -> None:
        """Record that a report was sent, which is sent once."""
        try:
            await self._ledger.mark(identity, flag)
        except QueueUnavailable as error:
            self._emit(Note("qmgr", f"notice not recorded: {error}", severity="warning", queue_id=str(identity)))


_Send = Callable[[ActiveMessage, Sequence[Failure]], Awaitable[None]]


def softened(outcome: Outcome) -> Outcome:
    """`outcome` as `soft_bounce` has it: temporary."""
    return replace(outcome, cls=Class.TEMPORARY, enhanced="4" + outcome.enhanced[1:])


def probed(report: Report) -> str:
    """What is said of a recipient that was only asked for."""
    return "deliverable" if report.outcome.cls is Class.OK else "undeliverable"


def _action(report: Report) -> str:
    """RFC 3464 §2.3.3; of success: expanded, handed to a next hop that makes no promise, or to a mailbox."""
    if report.outcome.cls is Class.PERMANENT:
        return "failed"
    if report.outcome.cls is Class.TEMPORARY:
        return "delayed"
    if report.expanded:
        return "expanded"
    return "relayed" if report.relayed else "delivered"


def delivered(service: str, active: Pass, report: Report, status: str, now: float) -> Delivered:
    """The record of how an attempt ended."""
    message, recipient, outcome = active.message, report.recipient.recipient, report.outcome
    arrival, entered = message.id.arrival, message.entered
    started = report.started or now
    connected = report.connected or now
    delays = (max(entered - arrival, 0.0), max(started - entered, 0.0), max(connected - started, 0.0), max(now - connected, 0.0))
    return Delivered(
        service, active.identity, recipient.address, recipient.original, report.relay, max(now - arrival, 0.0), delays,
        outcome.enhanced, status, outcome.text, report.conn_use, _about(outcome.why, recipient.address),
    )  # fmt: skip


def _about(why: Reason, address: str) -> Reason:
    """`why`, about the recipient where it does not say what was looked up."""
    return replace(why, key=shown(address)) if why and not why.key else why
