"""One message on its way in: its content is collected, then it passes the stages of its service."""

from collections.abc import Sequence

from msgspec import Struct

from gatepost.admission.draft import Draft
from gatepost.admission.expansion import Expansion
from gatepost.admission.gates import Guards
from gatepost.admission.non_smtp import facts_of
from gatepost.admission.port import TAKEN, Admitted, Origin
from gatepost.admission.service import CleanupService
from gatepost.admission.stages import CleanupStage, Passage, effects, gates, returned, shown
from gatepost.admission.staging import SECTION_LIMIT, StagedBody, Staging
from gatepost.content.checks import LogContext
from gatepost.content.headers import HeaderRewriter, log_message_id
from gatepost.events.records import Note
from gatepost.lookup import pattern_time
from gatepost.lookup.port import LookupFailure
from gatepost.mail.envelope import Envelope
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.routing.aliases import AliasLoop

ALIAS_ERROR = Outcome(Class.TEMPORARY, "4.6.0", "Alias expansion error", code=451, origin="cleanup")
WRITE_ERROR = Outcome(Class.TEMPORARY, "4.3.0", "Error: queue file write error", code=451, origin="resource")
HEADERS_TOO_LONG = Outcome(Class.PERMANENT, "5.3.4", "Error: message header too long", code=552, origin="cleanup")

_SUBMITTING = frozenset(("smtpd", "pickup", "qmqpd"))
"""Where mail comes in that others have written; what the mail system writes itself is not copied to anybody."""

_MAY_RETURN = (effects, shown, gates)
"""Stages whose refusals somebody decided on."""


class Source(Struct, frozen=True):
    """Who hands a message in: as in Origin. `guards`: who has watched its session; None: there was none."""

    service: str
    client: str
    context: str
    guards: Guards | None


class CleanupIntake:
    """`write` the content of a message, then `admit` or `abort`."""

    def __init__(
        self,
        service: CleanupService,
        stages: Sequence[CleanupStage],
        queue_id: QueueId,
        source: Source,
        rewriter: HeaderRewriter | None,
        staging: Staging,
    ) -> None:
        self._service = service
        self._stages = stages
        self._queue_id = queue_id
        self._source = source
        self._rewriter = rewriter
        self._context = LogContext(str(queue_id), source.client or "local", service.written)
        self._staging = staging
        self._failed = False

    def write(self, chunk: bytes, *, plain: bool = False) -> None:
        """The next octets of the content in canonical form (lines end in CRLF, no dot-stuffing), cut anywhere. `plain`: they are
        known to be so (mail/content.py, `is_plain`)."""
        if self._failed:
            return
        try:
            self._staging.write(chunk, plain=plain)
        except OSError as error:
            self._write_failed(error)

    def abort(self) -> None:
        """Forget the message. What cleanup would have said by then is said: its Message-Id, once the header section was complete,
        and that it is more than a queue file may hold (there, a line takes about as much as with its CRLF)."""
        service, queue_id = self._service, self._context.queue_id
        if (headers := self._staging.headers()) is not None:
            added = service.rules.completes(self._rewriter is not None)
            log_message_id(headers, service.rules.message_id(queue_id) if added else "<>", queue_id, service.emit)
        if 0 < service.settings.message_size_limit < self._staging.size:
            service.close_failed()
        self._staging.discard()

    async def admit(self, envelope: Envelope, *, dropped: bool = False) -> Admitted:
        """The content is complete: through the stages and into the queue, or why not. `dropped`: take it and throw it away, if
        nothing is wrong with it. Tables that cannot answer and disks that cannot write are a temporary refusal. Raises
        QueueUnavailable where the message could not be made durable. However it ends, nothing stays in staging: what the store
        was not given is thrown away, and what it was given is its own."""
        passage = self._passage(envelope, dropped=dropped)
        try:
            with pattern_time.apart():
                refused = self._incomplete()
                admitted = await self._pass(passage) if refused is None else Admitted(refused)
        except LookupFailure as failure:
            about = f" for {failure.address}" if failure.address else ""
            told = f"{failure.parameter or failure.table} map lookup problem{about} -- message not accepted, try again later"
            admitted = self._refused(WRITE_ERROR, told)
        except AliasLoop as loop:
            admitted = self._refused(ALIAS_ERROR, loop.text)
        except OSError as error:
            self._write_failed(error)
            admitted = Admitted(WRITE_ERROR)
        finally:
            self._staging.discard()
            if self._source.guards is None:  # those of a session stay with it
                passage.guards.reset()
                passage.guards.close()
        return admitted

    async def _pass(self, passage: Passage) -> Admitted:
        draft = passage.draft
        for stage in self._stages:
            await stage(passage)
            if draft.settled:
                break
        if draft.refusal is None:
            return Admitted(disconnect=True) if draft.disconnects else TAKEN
        back = returned(passage) if stage in _MAY_RETURN else None
        return Admitted(draft.refusal, back, draft.disconnects)

    def _incomplete(self) -> Outcome | None:
        """Why there is nothing to go through the stages with."""
        if self._failed:
            return WRITE_ERROR
        self._staging.finish()
        if self._staging.headers_too_long and self._service.rules.looks:
            return self._refused(HEADERS_TOO_LONG, f"message header exceeds {SECTION_LIMIT} octets").outcome
        return None

    def _passage(self, envelope: Envelope, *, dropped: bool) -> Passage:
        service, context, staging = self._service, self._context, self._staging
        context.protocol = envelope.attribute("log_protocol_name")
        context.helo = envelope.attribute("log_helo_name")
        mapping = service.rules.mapping
        copying = mapping and self._source.service in _SUBMITTING
        expansion = Expansion(service.routing, service.settings, context, mapping=mapping, copying=copying)
        source, guards = self._source, self._source.guards or service.gates.open(facts_of(envelope))
        origin = Origin(source.service, source.client, source.context, guards.view.facts)
        draft = Draft(self._queue_id, origin, envelope, expansion, StagedBody(staging, b""), limits=service.limits)
        return Passage(service, draft, expansion, context, staging, self._rewriter, guards, dropped=dropped)

    def _refused(self, outcome: Outcome, text: str) -> Admitted:
        self._service.emit(Note("cleanup", text, "warning", self._context.queue_id))
        return Admitted(outcome)

    def _write_failed(self, error: OSError) -> None:
        self._failed = True
        self._service.emit(Note("cleanup", f"write queue file: {error.strerror}", "warning", self._context.queue_id))
