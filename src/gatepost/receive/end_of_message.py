"""The end of a message: a list of steps, each may refuse it (RFC 5321 §4.1.1.4, RFC 1047)."""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct, structs

from gatepost.admission.port import ProtocolStage
from gatepost.events.notes import MessageTooLarge
from gatepost.mail.outcome import Outcome
from gatepost.mail.submission import QueueUnavailable
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.data import BdatReader, DataReader, LineEnds
from gatepost.proto.smtp.replies import ServerReply
from gatepost.receive import filtered
from gatepost.receive.answer import Answer, Tally, rejected, turned_down
from gatepost.receive.session_state import BARE_NEWLINE, END_OF_MESSAGE, SessionState
from gatepost.receive.transaction import END, MailTransaction, attributes, envelope

ContentReader = DataReader | BdatReader


class Ending(Struct, frozen=True):
    """A message whose content is complete."""

    transaction: MailTransaction
    reader: ContentReader


async def end_message(state: SessionState, ending: Ending, success: ServerReply) -> Answer:
    """Through the steps. `success`: what the client hears where the message is durable."""
    facts, transaction = state.facts, ending.transaction
    facts.protocol_state = END_OF_MESSAGE
    facts.recipient = transaction.only_recipient()
    for step in _STEPS:
        refusal = await step(state, ending)
        if refusal is not None:
            return structs.replace(refusal, effect=END, ends_message=True)
    return Answer(success, Tally.MESSAGE, effect=END, ends_message=True)


async def _within_limits(state: SessionState, ending: Ending) -> Answer | None:
    limit = state.settings.message_size_limit
    if limit and ending.reader.size > limit:
        state.ports.emit(MessageTooLarge("smtpd", queue_id=state.facts.queue_id or "NOQUEUE"))
        return turned_down(say.TOO_BIG)
    return None


async def _line_ends_proper(state: SessionState, ending: Ending) -> Answer | None:
    if state.line_ends is not LineEnds.REJECT or not ending.reader.bare_newline:
        return None
    settings = state.settings
    reply = say.bare_newline(settings.smtpd_forbid_bare_newline_reject_code, settings.myhostname)
    return Answer(reply, Tally.ERROR, log=(state.judged("reject", "bare <LF> received", why=BARE_NEWLINE),))


async def _policy_consents(state: SessionState, ending: Ending) -> Answer | None:
    state.facts.message_size = ending.reader.size
    refusal = await state.judge(ProtocolStage.END_OF_DATA)
    return None if refusal is None else rejected(refusal)


async def _admitted(state: SessionState, ending: Ending) -> Answer | None:
    """The message is cleaned up and durable. One that goes through the before-queue filter is the filter's affair, whose answer
    ends it, well or not."""
    transaction = ending.transaction
    if transaction.passage is not None:
        return await filtered.answer_of(state, transaction.passage, transaction.recipients[0].address)
    outcome = await _admit(state, ending)
    return None if outcome is None or outcome.ok else turned_down(outcome)


async def _admit(state: SessionState, ending: Ending) -> Outcome | None:
    transaction = ending.transaction
    attrs = attributes(state.facts, state.forwarded, state.rewrite_context, transaction.sender.encoding)
    intake, transaction.intake = transaction.intake, None
    assert intake is not None
    wanted = envelope(transaction.sender, transaction.recipients, state.actions, attrs, state.settings.content_filter)
    try:
        admitted = await intake.admit(wanted, dropped=state.discards)
    except QueueUnavailable as failure:
        state.note(f"{state.facts.queue_id}: queue file write error: {failure}", "warning")
        return say.WRITE_ERROR
    state.dismissed |= admitted.disconnect
    return admitted.outcome


_Step = Callable[[SessionState, Ending], Awaitable[Answer | None]]
_STEPS: Final[tuple[_Step, ...]] = (_within_limits, _line_ends_proper, _policy_consents, _admitted)
"""In order. A step returns None to go on, else the answer that ends it."""
