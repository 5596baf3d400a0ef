"""The content filter as a gate, at the end of each message (decision 0052)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct, structs

from gatepost.admission.edits import Edit, EndRecipients
from gatepost.admission.filtering import telling
from gatepost.admission.filtering.marks import FORGED, MarkSettings, marks
from gatepost.admission.port import FailureAction, Finding, ProtocolStage, ReadableDraft, Severity, Stateless, View
from gatepost.events.records import Clock, Emit, Fault, Note
from gatepost.filter.antivirus.port import Unscanned
from gatepost.filter.bad_header import bad_headers
from gatepost.filter.inspection import Inspection, NotInspected, Wanted
from gatepost.filter.port import Session
from gatepost.filter.quarantine.port import Quarantine, QuarantineFailure
from gatepost.filter.verdict import Category, Destinies, Destiny, RecipientPolicy, Ruling, Verdict, judge
from gatepost.identity.spf.check import Client
from gatepost.identity.spf.check import Finding as SpfFinding
from gatepost.lookup.port import LookupFailure
from gatepost.mail.content import Content
from gatepost.mail.envelope import Recipient
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.reason import because
from gatepost.net.turns import Turns

NAME: Final = "filter"

PolicyOf = Callable[[str], Awaitable[RecipientPolicy]]
"""What a recipient wants. Raises LookupFailure."""


class Filter(Struct, frozen=True):
    """What the filter of a service is made of.

    policy: of a recipient. destinies: of categories. marks: what they say.
    inspection: who looks. quarantine: where mail is kept that nobody is to have.
    on_failure: what becomes of a message that could not be inspected.
    emit, clock: for the log.
    fault: whom to tell of what nobody expected to be raised, and its consequence.
    """

    policy: PolicyOf
    destinies: Destinies
    marks: MarkSettings
    inspection: Inspection
    quarantine: Quarantine
    on_failure: FailureAction
    emit: Emit
    clock: Clock
    fault: Fault


class FilterGate(Stateless):
    """`seconds`: for all that is asked about a message."""

    name = NAME
    time_limit = None
    stages = frozenset({ProtocolStage.END_OF_MESSAGE})

    def __init__(self, settings: Filter, seconds: float) -> None:
        self._filter = settings
        self._seconds = seconds
        self.on_failure = settings.on_failure

    async def look(self, stage: ProtocolStage, view: View) -> Finding:
        """What becomes of a message, also where that takes too long or something breaks: whatever lets it go on then, forged marks
        do not. Raises LookupFailure."""
        clock = asyncio.timeout(self._seconds)
        try:
            async with clock:
                return await self._look(view)
        except LookupFailure:
            raise
        except Exception as error:
            if clock.expired():
                return self._not_inspected(NotInspected(f"no answer within {self._seconds:g} s"))
            self._filter.fault(error, f"gate {NAME}: {self.on_failure.value}")
            return self._not_inspected(NotInspected(type(error).__name__))

    async def _look(self, view: View) -> Finding:
        draft = view.draft
        if draft is None or not draft.envelope.recipients:
            return Finding(NAME)
        began = self._filter.clock()
        policies = await self._policies(draft.envelope.recipients)
        wanted = Wanted(*(any(one not in policy.bypass for policy in policies) for one in _LOOKED_FOR))
        if not (wanted.spam or wanted.viruses or wanted.banned):
            return Finding(NAME, edits=(FORGED,))
        content = draft.content()
        try:
            found = await self._filter.inspection.inspect(content, _session(view, draft), wanted)
        except NotInspected as failure:
            return self._not_inspected(failure)
        found = structs.replace(found, bad_header=bad_headers(draft.headers))
        waits = bool(draft.origin.client)  # for a reply; else a refusal would become mail to whoever the sender is said to be
        verdict = judge(found, policies, self._filter.destinies, waits=waits)
        if found.failure and verdict.destiny is Destiny.PASS and self.on_failure is not FailureAction.ACCEPT:
            return self._not_inspected(NotInspected(found.failure))  # who wants viruses wants no spam for that
        return await self._done(verdict, draft, content, self._filter.clock() - began)

    async def _policies(self, recipients: Sequence[Recipient]) -> Sequence[RecipientPolicy]:
        policies, turns = [], Turns()
        for recipient in recipients:
            policies.append(await self._filter.policy(recipient.address))
            if turns.over():
                await turns.rest()
        return policies

    def _not_inspected(self, failure: NotInspected) -> Finding:
        """The failure action; mail that goes on has no marks of others on it, and none of ours."""
        action = self.on_failure if failure.action is None else _UNSCANNED[failure.action]
        finding = action.finding(NAME, str(failure))
        return structs.replace(finding, edits=(FORGED,)) if finding.severity < Severity.DISCARD else finding

    # --- what becomes of it ---

    async def _done(self, verdict: Verdict, draft: ReadableDraft, content: Content, seconds: float) -> Finding:
        """The finding of a verdict; what is to be kept is kept first."""
        kept = [ruling for ruling in verdict.rulings if ruling.destiny is Destiny.QUARANTINE]
        name = ""
        if kept:
            entry = telling.entry(verdict, kept, draft, content.size, self._filter.clock())
            try:
                name = await self._filter.quarantine.store(entry, content.chunks())
            except QuarantineFailure as failure:
                return FailureAction.TEMPFAIL.finding(NAME, f"quarantine: {failure}")  # it is known what it is: it never passes
        if verdict.contents.left_out:
            text = f"{draft.queue_id}: not all was looked at: {'; '.join(verdict.contents.left_out)}"
            self._filter.emit(Note(NAME, text, "warning"))
        for event in telling.events(verdict, draft, content.size, seconds, name):
            self._filter.emit(event)
        return self._finding(verdict, draft, name)

    def _finding(self, verdict: Verdict, draft: ReadableDraft, quarantined: str) -> Finding:
        why = because(NAME, key=str(draft.queue_id), reason=telling.reason(verdict))
        match verdict.destiny:
            case Destiny.REJECT | Destiny.BOUNCE:
                text = f"Reject, id={draft.queue_id} - {telling.class_of(verdict)}"
                outcome = Outcome(Class.PERMANENT, "5.7.0", text, code=554, why=why, origin="policy")
                return Finding(NAME, Severity.REFUSE, outcome, text, why=why)
            case Destiny.DISCARD | Destiny.QUARANTINE:
                text = f"quarantined as {quarantined}" if quarantined else "discarded"
                return Finding(NAME, Severity.DISCARD, reason=f"{text} - {telling.class_of(verdict)}", why=why)
        ended = {one.address: _ended(one, quarantined) for one in verdict.rulings if one.destiny is not Destiny.PASS}
        edits: tuple[Edit, ...] = marks(verdict, self._filter.marks, quarantined)
        return Finding(NAME, edits=(*edits, EndRecipients(ended)) if ended else edits, why=why)


_SHOWN: Final = 100
"""Recipients of which rules are told: aliases may make any number of them."""

_NOBODY: Final = Client("", "", "", "")

_LOOKED_FOR: Final = (Category.SPAM, Category.VIRUS, Category.BANNED)
"""What is looked for, in the order of Wanted."""


_UNSCANNED: Final = {Unscanned.DEFER: FailureAction.TEMPFAIL, Unscanned.REJECT: FailureAction.REJECT}
"""What becomes of mail in which nobody has looked for viruses, whatever becomes of other mail that nobody could look at."""


def _ended(ruling: Ruling, quarantined: str) -> Outcome:
    text = f"quarantined as {quarantined}" if ruling.destiny is Destiny.QUARANTINE else "discarded"
    why = because(NAME, key=ruling.address, reason=ruling.category.word)
    return Outcome(Class.PERMANENT, "5.7.0", f"{text} - {ruling.category.word}", why=why, origin="policy")


def _session(view: View, draft: ReadableDraft) -> Session:
    """Where the message comes from, as rules see it."""
    facts, origin = view.facts, draft.origin
    spf = facts.evidence.get(SpfFinding) or SpfFinding(_NOBODY)
    return Session(
        client_address=facts.client_address if origin.client else "",
        client_name=facts.client_name,
        helo=facts.helo_name or "",
        login=facts.sasl_username,
        sender=draft.envelope.sender,
        recipients=tuple(one.address for one in draft.envelope.recipients[:_SHOWN]),
        spf="" if spf.mail_from is None else spf.mail_from.result,
        spf_helo="" if spf.helo is None else spf.helo.result,
        received_at=draft.queue_id.arrival,
    )
