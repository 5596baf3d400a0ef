"""Probes: is an address good? (verify(8), ADDRESS_VERIFICATION_README)

A probe goes the way of mail to the address, through its transport's agent, which delivers nothing. It is no message of the queue:
nothing is stored, nobody gets a notice, and what comes of it is told to whoever asked.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from gatepost.events.records import Activated, Clock, Delivered, Emit, MessageId, Removed
from gatepost.mail.address import external, to_bytes
from gatepost.mail.content import MemoryContent
from gatepost.mail.date import MailDates
from gatepost.mail.delivery import Purpose, Reached, Report
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.mail.queued import ActiveMessage, QueuedRecipient
from gatepost.queue.results import BROKEN, Pass, delivered, probed

SEVERAL = Outcome(Class.OK, "2.0.0", "aliased to multiple recipients")
_ATTRIBUTES = (("log_message_origin", "local"), ("rewrite_context", "local"))


class ProbeSettings(Struct, frozen=True, kw_only=True):
    """Parameters of the message that a probe speaks of; field names are parameter names."""

    myhostname: str
    mail_name: str
    smtputf8_enable: bool
    smtputf8_autodetect_classes: str
    address_verify_negative_cache: bool


class Probed(Struct, frozen=True):
    """What came of a probe. `ours`: a fault of our own kept it from being made, so that nothing is known of the address."""

    outcome: Outcome
    ours: bool = False


class Prober(Protocol):
    """Begins a pass that verifies an address (scheduler.py)."""

    def probe(self, active: Pass) -> None: ...


def _not_cached(report: Report) -> str:
    """What is said of a recipient where bad findings are not kept."""
    word = probed(report)
    return word if report.outcome.ok else f"{word}-but-not-cached"


class _Asker:
    """The sink of one probe."""

    def __init__(
        self, emit: Emit, clock: Clock, program: Callable[[str], str], answer: "asyncio.Future[Probed]", *, keeps_bad: bool
    ) -> None:
        self._words = {True: probed, False: _not_cached}[keeps_bad]
        self._emit = emit
        self._clock = clock
        self._program = program
        self._answer = answer
        self._probed = Probed(BROKEN, ours=True)

    def record(self, active: Pass, reports: Sequence[Report], transport: str, site: str) -> None:
        now = self._clock()
        for report in reports:
            for part in (report,) if report.parts is None else report.parts:
                if not part.expanded:
                    self._emit(delivered(part.service or self._program(transport), active, part, self._words(part), now))
            outcome = report.outcome
            self._probed = Probed(outcome, outcome.cls is Class.TEMPORARY and report.reached is Reached.UNKNOWN)
        active.pending -= len(reports)

    async def finish(self, active: Pass) -> None:
        self._emit(Removed("qmgr", active.identity))
        self._tell()

    def abandon(self, active: Pass) -> None:
        self._tell()

    def _tell(self) -> None:
        if not self._answer.done():
            self._answer.set_result(self._probed)


class Probes:
    """Makes probes. `new_id`: names one in the log, and to servers; `program`: as in Scheduler."""

    def __init__(
        self,
        prober: Prober,
        new_id: Callable[[], QueueId],
        settings: ProbeSettings,
        *,
        emit: Emit,
        clock: Clock,
        program: Callable[[str], str],
    ) -> None:
        self._prober = prober
        self._new_id = new_id
        self._settings = settings
        self._emit = emit
        self._clock = clock
        self._program = program
        self._dates = MailDates()
        self._detects_utf8 = settings.smtputf8_enable and "verify" in settings.smtputf8_autodetect_classes.replace(",", " ").split()

    async def probe(self, sender: str, recipient: Recipient) -> Probed:
        """Ask for `recipient`, in final form, on behalf of `sender`. It lasts as long as the agent needs; who gives up waiting ends
        no delivery attempt."""
        answer: asyncio.Future[Probed] = asyncio.get_running_loop().create_future()
        message = self._message(self._new_id(), sender, recipient)
        self._emit(Activated("qmgr", str(message.id), sender, message.size, 1))
        keeps_bad = self._settings.address_verify_negative_cache
        sink = _Asker(self._emit, self._clock, self._program, answer, keeps_bad=keeps_bad)
        self._prober.probe(Pass(message, sink, fresh=True, purpose=Purpose.VERIFY))
        return await answer

    def several(self, sender: str, address: str) -> Probed:
        """An address that stands for several others is good, whatever they are (cleanup(8)); the log says so."""
        identity, now = self._new_id(), self._clock()
        past = max(now - identity.arrival, 0.0)
        delays = (past, 0.0, 0.0, 0.0)
        self._emit(
            Delivered("cleanup", str(identity), address, address, "none", past, delays, "2.0.0", "deliverable", SEVERAL.text)
        )
        message = self._message(identity, sender, Recipient(address))
        self._emit(Activated("qmgr", str(identity), sender, message.size, 0))
        self._emit(Removed("qmgr", str(identity)))
        return Probed(SEVERAL)

    def _message(self, identity: QueueId, sender: str, recipient: Recipient) -> ActiveMessage:
        """What servers would get if they asked for it: its size is told them, and header fields stand in nobody's way."""
        settings, date = self._settings, self._dates(identity.arrival)
        message_id = f"<{identity}@{settings.myhostname}>"
        head = (
            f"Received: by {settings.myhostname} ({settings.mail_name})\r\n\tid {identity}; {date}\r\n"
            f"Message-Id: {message_id}\r\nDate: {date}\r\nFrom: {external(sender) or 'MAILER-DAEMON'}\r\n\r\n"
        )
        content = to_bytes(head)
        self._emit(MessageId("cleanup", str(identity), message_id))
        utf8 = self._detects_utf8 and not (sender + recipient.address).isascii()
        return ActiveMessage(
            identity,
            Envelope(sender, smtputf8=utf8, attributes=_ATTRIBUTES),
            MemoryContent(content),
            len(content),
            (QueuedRecipient(0, recipient),),
            self._clock(),
        )
