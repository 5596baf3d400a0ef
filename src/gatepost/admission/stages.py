"""The stages that a message passes on its way into the queue (cleanup(8)). Which of them a service has is a list, built once.

A stage does its part of the work on a draft; what refuses or discards the message ends the way.
"""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import structs

from gatepost.admission.draft import Draft
from gatepost.admission.expansion import Expansion
from gatepost.admission.gates import OF_MESSAGES, Guards
from gatepost.admission.non_smtp import show
from gatepost.admission.port import NOTHING_FOUND, Finding, ProtocolStage, Severity
from gatepost.admission.queue_file import envelope_octets, may_exceed
from gatepost.admission.service import CleanupService
from gatepost.admission.smtputf8 import is_needed
from gatepost.admission.staging import SECTION_LIMIT, StagedBody, Staging
from gatepost.content.body import BodyWalk
from gatepost.content.checks import SHOWN, Checks, Effects, LogContext
from gatepost.content.headers import HOPS, HeaderRewriter, Headers
from gatepost.events.notes import MessageTooLarge
from gatepost.events.records import Judged
from gatepost.mail import header
from gatepost.mail.content import Content, MemoryContent
from gatepost.mail.envelope import Envelope, TlsRequired
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.reason import Reason, because
from gatepost.net.turns import Turns
from gatepost.policy.port import AS_TOLD
from gatepost.proto.smtp.replies import reply_of
from gatepost.queue.port import NewMessage

TOO_BIG = Outcome(Class.PERMANENT, "5.3.4", "Error: message file too big", code=552, origin="cleanup")
NO_RECIPIENTS = Outcome(Class.PERMANENT, "5.1.0", "Error: no recipients specified", code=550, origin="cleanup")

UNENDED = "message header was not terminated by empty line"

RETURNING = frozenset(("pickup",))
"""Services for whose mail nobody waits for a reply: what is refused for good goes back to its sender."""

_REQUIRETLS = b"Require-TLS-ESMTP: yes\r\n"

_LONG = 65536
"""Octets of a header section that are split in some milliseconds; a longer one is split by a thread."""


class Passage:
    """A message on its way through the stages.

    - `service`: what all messages of its service share.
    - `draft`: the message. `expansion`: its recipients.
    - `context`: for its log lines.
    - `staging`: its content as it came.
    - `rewriter`: of its headers, None where they are left alone.
    - `guards`: who watches it; those of its session, where it comes by one.
    - `dropped`: whoever hands it in wants it taken and thrown away, once nothing is wrong with it.
    - `effects`: what checks have asked for so far. `checks`: those, None where nothing is checked.
    - `headers`: which were gone through. `primary`: they as they came. `body`: what follows them.
    - `content`: the message as it will be stored.
    """

    __slots__ = (
        "body", "checks", "content", "context", "draft", "dropped", "effects", "expansion", "guards", "headers", "primary",
        "rewriter", "service", "staging",
    )  # fmt: skip

    headers: Headers
    primary: list[header.Header]
    body: StagedBody
    content: Content

    def __init__(
        self,
        service: CleanupService,
        draft: Draft,
        expansion: Expansion,
        context: LogContext,
        staging: Staging,
        rewriter: HeaderRewriter | None,
        guards: Guards,
        *,
        dropped: bool,
    ) -> None:
        self.service = service
        self.draft = draft
        self.expansion = expansion
        self.context = context
        self.staging = staging
        self.rewriter = rewriter
        self.guards = guards
        self.dropped = dropped
        self.effects = Effects(checking=service.rules.checking)
        self.checks: Checks | None = None


CleanupStage = Callable[[Passage], Awaitable[None]]
"""Raises LookupFailure, AliasLoop, OSError, QueueUnavailable."""


async def expand(passage: Passage) -> None:
    """Envelope addresses go into standard form and through the tables."""
    draft, expansion = passage.draft, passage.expansion
    draft.sender = await expansion.sender(draft.given)
    turns = Turns()
    for recipient in draft.given.recipients:
        await expansion.add(recipient)
        if turns.over():
            await turns.rest()


async def headers(passage: Passage) -> None:
    """Headers are checked, rewritten, dropped and completed, one after the other: checks see each as it came, and the log has
    them in order."""
    service, staging, draft = passage.service, passage.staging, passage.draft
    rules = service.rules
    section = await _section(staging.head)
    if rules.looks or rules.unended == "reject":
        passage.checks = Checks(rules.maps, passage.context, passage.effects, service.emit)
    returning = draft.origin.service in RETURNING
    passage.primary = section.headers
    passage.headers = Headers(rules, passage.rewriter, passage.checks, passage.context, service.emit, returning=returning)
    kept = await passage.headers.go_through(section.headers)
    unended = [] if rules.unended == "fix_quietly" else _unended(passage, section.end)
    if not passage.headers.ended:
        kept += passage.headers.missing(draft.sender, draft.given.sender_fullname, service.dates(service.clock()))
    if rules.marks_requiretls and _tls_required(passage) is TlsRequired.YES and "require-tls-esmtp" not in passage.headers.seen:
        kept.append(_REQUIRETLS)
    draft.set_head(kept + unended)
    draft.source = passage.body = StagedBody(staging, staging.head[section.end :])


async def checks(passage: Passage) -> None:
    """The body is checked, where something is to be checked."""
    rules, checks = passage.service.rules, passage.checks
    assert checks is not None
    if passage.staging.rejected:
        checks.content(b"", "disallowed character")
    if passage.headers.ended or not (passage.effects.checking or rules.walks_strictly):
        return
    walk, body = BodyWalk(rules.body, checks, passage.primary), passage.body
    with body.rewriter() as write:
        for chunk in body.octets():
            write(b"".join(await walk.feed(chunk)))
        write(b"".join(await walk.finish()))


async def effects(passage: Passage) -> None:
    """What the checks have asked for is done."""
    draft, asked = passage.draft, passage.effects
    if refusal := passage.headers.refusal or asked.refusal:
        draft.refuse(_refusal(refusal))
        return
    if asked.discard:
        draft.discard()
        return
    draft.content_filter = asked.filter or draft.content_filter
    draft.redirect = asked.redirect or draft.redirect
    draft.held = asked.hold or draft.held
    await passage.expansion.always_bcc(asked.bcc)


async def shown(passage: Passage) -> None:
    """Mail that does not come by a session is shown to whoever stands at the stages of one."""
    draft = passage.draft
    for stage, finding in await show(passage.guards, draft.given, passage.context.queue_id):
        await _obey(passage, stage, finding)


async def gates(passage: Passage) -> None:
    """Whoever stands at the end of the headers, and of the message, has a look. Who takes all recipients away wants nobody to get
    the message, which its sender need not hear of."""
    draft, anybody = passage.draft, bool(passage.expansion.final)
    for stage in OF_MESSAGES:
        await _obey(passage, stage, await passage.guards.look(stage, (), draft))
        if draft.settled:
            return
    if anybody and not passage.expansion.final:
        _tell(passage, stage, "discard", "all recipients were removed", because("gates", reason="all recipients were removed"))
        draft.discard()


async def _obey(passage: Passage, stage: ProtocolStage, finding: Finding) -> None:
    if finding is NOTHING_FOUND:
        return
    for action in finding.actions:
        if action.kind in AS_TOLD:
            _tell(passage, stage, action.kind, action.value, action.why)
        elif action.kind == "bcc":
            await passage.expansion.copy(action.value)
    known = finding.told or (passage.draft.held and finding.severity in (Severity.HOLD, Severity.QUARANTINE))
    if finding.severity and not known:
        outcome = finding.outcome
        text = finding.text or finding.reason if outcome is None else reply_of(outcome).logged[4:]
        why = finding.why or because(finding.gate, reason=finding.reason) if outcome is None else outcome.why
        _tell(passage, stage, finding.word or _WORDS[finding.severity], text, why)
    passage.draft.obey(finding)


async def size(passage: Passage) -> None:
    """The message is put together, and is with its envelope not larger than message_size_limit."""
    draft, service, queue_id = passage.draft, passage.service, passage.context.queue_id
    if not passage.expansion.final:
        draft.refuse(NO_RECIPIENTS)
        return
    passage.content = passage.body.below(draft.head)
    limit, octets = service.settings.message_size_limit, passage.content.size
    if may_exceed(limit, octets, len(passage.expansion.final)) and octets + envelope_octets(queue_id, _final(passage)) > limit:
        service.emit(MessageTooLarge("cleanup", queue_id=queue_id))
        draft.refuse(TOO_BIG)
        service.close_failed()


async def store(passage: Passage) -> None:
    """The message is made durable, with one commit."""
    if passage.dropped:
        passage.draft.discard()
        return
    content, expanded = passage.content, tuple(passage.expansion.expanded)
    message = NewMessage(passage.draft.queue_id, _final(passage), content, content.size, expanded, tuple(passage.draft.ended))
    passage.staging.hand_over()
    await passage.service.store(message)


def stages_of(*, looks: bool, gated: bool, shows: bool = False) -> tuple[CleanupStage, ...]:
    """The stages of a service. `looks`: contents are checked there (receive_override_options, header_checks and others, strict_*);
    `gated`: guards look at messages there; `shows`: they are shown commands that nobody said. A body that nobody looks at is passed
    on as it came."""
    stages: list[tuple[CleanupStage, bool]] = [
        (expand, True), (headers, True), (checks, looks), (effects, True), (shown, shows), (gates, gated), (size, True),
        (store, True),
    ]  # fmt: skip
    return tuple(stage for stage, present in stages if present)


def returned(passage: Passage) -> NewMessage | None:
    """What goes back to the sender of a message that is refused, if anything. Raises OSError."""
    draft = passage.draft
    if draft.origin.service not in RETURNING:
        return None
    content = passage.body.below(draft.head)
    head = content.head(passage.service.settings.header_size_limit).partition(b"\r\n\r\n")[0] + b"\r\n"
    final = structs.replace(draft.given, sender=draft.sender, recipients=tuple(passage.expansion.final), ret="HDRS")
    return NewMessage(draft.queue_id, final, MemoryContent(head), content.size)


def _final(passage: Passage) -> Envelope:
    draft, given = passage.draft, passage.draft.given
    recipients, attributes = tuple(passage.expansion.final), given.attributes
    encoding = "8bit" if passage.headers.eight_bit else given.encoding
    if encoding:
        attributes = (*attributes, ("encoding", encoding))
    if draft.quarantine:
        attributes = (*attributes, ("quarantine", draft.quarantine))
    smtputf8 = given.smtputf8
    if draft.origin.service in passage.service.detects_utf8:
        smtputf8 = smtputf8 or is_needed(draft.sender, recipients, passage.content.head(SECTION_LIMIT).partition(b"\r\n\r\n")[0])
    return structs.replace(
        given,
        sender=draft.sender,
        recipients=recipients,
        encoding=encoding,
        content_filter=draft.content_filter,
        redirect=draft.redirect,
        hold=draft.held,
        smtputf8=smtputf8,
        attributes=attributes,
        tls_required=_tls_required(passage),
    )


def _tls_required(passage: Passage) -> TlsRequired:
    """What the sender says of TLS: REQUIRETLS counts before anything in the headers (RFC 8689 §3)."""
    given = passage.draft.given.tls_required
    return given if given is TlsRequired.YES else passage.headers.tls_required or given


_WORDS = {
    Severity.HOLD: "hold",
    Severity.QUARANTINE: "hold",
    Severity.DISCARD: "discard",
    Severity.DEFER: "reject",
    Severity.REFUSE: "reject",
}


def _tell(passage: Passage, stage: ProtocolStage, action: str, text: str, why: Reason) -> None:
    context, found = passage.context, passage.draft.origin.facts.evidence.everything()
    client = context.client
    if action.startswith("milter-") and not passage.draft.origin.client:
        client = passage.guards.view.facts.client  # as whom filters have been told of it
    passage.service.emit(Judged("cleanup", context.queue_id, action, stage.value, client, text, context.context(), why, found))


async def _section(head: bytes) -> header.Section:
    """The header section at the beginning of `head`."""
    if len(head) <= _LONG or head.find(b"\r\n\r\n", 0, _LONG) >= 0:
        return header.split(head)
    return await asyncio.to_thread(header.split, head)


def _unended(passage: Passage, end: int) -> list[bytes]:
    """The header to add where no empty line ends the header section, unless the message is refused for it
    (non_empty_end_of_header_action)."""
    staging, rules = passage.staging, passage.service.rules
    line = (staging.head[end : end + SHOWN] or staging.body_begins).partition(b"\r\n")[0]
    if not line:
        return []
    if rules.unended == "add_header":
        return [b"MIME-Error: %s\r\n" % UNENDED.encode()]
    assert passage.checks is not None
    passage.checks.mime_error(UNENDED, line)
    return []


def _refusal(text: str) -> Outcome:
    """A refusal whose text begins with an enhanced status code, as an outcome."""
    status, _, words = text.partition(" ")
    temporary = status.startswith("4")
    code = 451 if temporary else 554 if text == HOPS else 550
    return Outcome(Class.TEMPORARY if temporary else Class.PERMANENT, status, words, code=code, origin="cleanup")
