"""DATA, BDAT and the end of a message (RFC 5321 §4.1.1.4, RFC 3030): the end is a list of stages, each may refuse."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gatepost.mail.ascii_text import is_number, spaced_words, upper
from gatepost.mail.envelope import Envelope
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.submission import QueueUnavailable
from gatepost.net.turns import Turns
from gatepost.policy.port import Stage
from gatepost.proto.smtp.commands import LMTP
from gatepost.proto.smtp.data import BdatReader, DataReader, LineEnds, all_crlf
from gatepost.proto.smtp.grammar import printable
from gatepost.proto.smtp.replies import text_of
from gatepost.proto.smtp.server import Command, DataChunk
from gatepost.queue.port import NewMessage
from gatepost.receive.connection import Gone
from gatepost.receive.mail import open_queue_file
from gatepost.receive.port import Cleaned, Intake
from gatepost.receive.received import received
from gatepost.receive.session import END_OF_MESSAGE
from gatepost.receive.transaction import Transaction, attributes, envelope

if TYPE_CHECKING:
    from gatepost.receive.session import Session

Reader = DataReader | BdatReader


class Ending:
    """A message whose content is complete, on its way through the stages; each leaves what the next one needs."""

    __slots__ = ("intake", "message", "reader", "transaction")

    def __init__(self, transaction: Transaction, reader: Reader, intake: Intake) -> None:
        self.transaction = transaction
        self.reader = reader
        self.intake = intake
        self.message: NewMessage | None = None


async def data(session: "Session", command: Command) -> bool:
    """DATA: the content follows."""
    transaction = session.transaction
    if session.chunking:
        return session.refuse("503 5.5.1 Error: DATA after BDAT")
    if transaction is None:
        return session.refuse("503 5.5.1 Error: need RCPT command")
    if not transaction.recipients:
        return session.refuse(_no_recipients(session))
    if command.argument:
        return session.refuse("501 5.5.4 Syntax: DATA")
    if not await _data_allowed(session, transaction):
        return False
    session.reply("354 End data with <CR><LF>.<CR><LF>")
    settings = session.settings
    reader = DataReader(session.line_ends, blank_cr=settings.cleanup_replace_stray_cr_lf, line_limit=settings.line_length_limit)
    session.connection.core.read_data(reader)
    sink = _Sink(session, await _open_intake(session, transaction))
    await _receive(session, reader, sink)
    return await _end(session, Ending(transaction, reader, sink.intake), "Ok: queued as {id}")


def _no_recipients(session: "Session") -> str:
    """No RCPT was successful, which LMTP has a code of its own for (RFC 2033 §4.2, §4.3)."""
    return f"{503 if session.service.verbs is LMTP else 554} 5.5.1 Error: no valid recipients"


def _answer_for_each_recipient(session: "Session") -> None:
    """LMTP: the end of a message has an answer for each successful RCPT (RFC 2033 §4.2, §4.3), all alike: they share a queue id."""
    if session.service.verbs is LMTP and session.transaction is not None:
        session.repeats = max(len(session.transaction.recipients), 1)


async def bdat(session: "Session", command: Command) -> bool:
    """BDAT: a chunk of known size follows, at once (RFC 3030 §2). Where its size is not known the session is out of step."""
    if "CHUNKING" in session.ehlo_discard:
        return session.refuse("521 5.5.1 Error: command not implemented")
    match spaced_words(upper(command.argument)):
        case [size] if _is_chunk_size(size):
            last = False
        case [size, "LAST"] if _is_chunk_size(size):
            last = True
        case _:
            said = f"{session.facts.client}: {printable(command.line)[:100]}"
            session.note(f"{_queue_id(session)}: malformed BDAT command syntax from {said}", "warning")
            return session.refuse("521 5.5.4 Syntax: BDAT count [LAST]")
    if last:
        _answer_for_each_recipient(session)
    refusal = await _chunk_refused(session, int(size), last)
    if refusal is not None:
        return await _skip_chunk(session, int(size), last, refusal)
    assert session.transaction is not None
    return await _take_chunk(session, session.transaction, int(size), last)


def _is_chunk_size(word: str) -> bool:
    """Digits that a file size can hold; nobody waits for a chunk of more."""
    return is_number(word) and int(word) < 1 << 63


def _queue_id(session: "Session") -> str:
    return session.facts.queue_id or "NOQUEUE"


async def _chunk_refused(session: "Session", size: int, last: bool) -> str | None:
    """The reply that refuses the chunk; empty where the client has been told already."""
    transaction, limit = session.transaction, session.settings.message_size_limit
    if not size and not last:  # says nothing; whoever sends one after the other would be answered for ever
        session.note(f"{_queue_id(session)}: null BDAT request from {session.facts.client}", "warning")
        return "551 5.7.1 Null BDAT request"
    if session.spoiled:
        return f"551 5.0.0 Discarded {size} bytes after earlier error"
    if transaction is None:
        return "503 5.5.1 Error: need RCPT command"
    if not transaction.recipients:
        return _no_recipients(session)
    if transaction.bdat is None and not await _data_allowed(session, transaction):
        return ""
    if limit and (transaction.bdat.size if transaction.bdat else 0) + size > limit:
        session.note(f"{session.facts.queue_id}: BDAT request from {session.facts.client} exceeds message size limit", "warning")
        return "552 5.3.4 Chunk exceeds message size limit"
    return None


async def _skip_chunk(session: "Session", size: int, last: bool, refusal: str) -> bool:
    """Throw a chunk away, and with it the rest of the message."""
    session.connection.core.read_chunk(BdatReader(binary=True), size)
    while isinstance(await session.next_event(), DataChunk):
        pass
    if refusal:
        session.reply(refusal)
    session.spoiled = True
    if session.transaction is not None:
        session.transaction.abort()
    if last:
        session.repeats = 1
        session.end_transaction()
    return False


async def _take_chunk(session: "Session", transaction: Transaction, size: int, last: bool) -> bool:
    reader = transaction.bdat
    if reader is None:
        binary = transaction.sender.encoding == "binary"
        settings = session.settings
        reader = BdatReader(
            session.line_ends,
            blank_cr=settings.cleanup_replace_stray_cr_lf,
            binary=binary,
            line_limit=settings.line_length_limit,
        )
        transaction.bdat = reader
        await _open_intake(session, transaction)
    assert transaction.intake is not None
    sink = _Sink(session, transaction.intake, started=reader.size > 0)
    session.connection.core.read_chunk(reader, size)
    await _receive(session, reader, sink)
    if not last:
        session.progress = None
        session.reply(f"250 2.0.0 Ok: {size} bytes")
        return True
    sink.write(reader.finish())
    return await _end(session, Ending(transaction, reader, sink.intake), f"Ok: {reader.size} bytes queued as {{id}}")


async def _data_allowed(session: "Session", transaction: Transaction) -> bool:
    facts = session.facts
    if len(transaction.recipients) == 1:
        facts.recipient = transaction.recipients[0].address
    allowed = await session.judge(Stage.DATA)
    facts.recipient = None
    return allowed


async def _open_intake(session: "Session", transaction: Transaction) -> Intake:
    """Cleanup begins, and gets the headers that are ours: those of PREPEND actions, then Received."""
    facts, settings, service = session.facts, session.settings, session.service
    if transaction.queue_id is None:
        open_queue_file(session, transaction)
    assert transaction.queue_id is not None
    context = session.rewrite_context = await _rewrite_context(session)
    if any(action.kind == "discard" for action in session.actions):
        transaction.intake = Discarding()
        return transaction.intake
    prepended = "".join(f"{action.value}\r\n" for action in session.actions if action.kind == "prepend")
    trace = received(
        facts,
        myhostname=settings.myhostname,
        mail_name=settings.mail_name,
        queue_id=facts.queue_id,
        date=service.mail_date(service.clock()),
        recipient=transaction.recipients[0].address if len(transaction.recipients) == 1 else None,
        show_tls=settings.smtpd_tls_received_header,
        asked_for_certificate=service.tls is not None and service.tls.asks,
        show_login=settings.smtpd_sasl_authenticated_header,
    )
    header = prepended.encode("utf-8", "surrogateescape") + trace
    # The readers have made it so, but what an address or a table brings into our own headers may be anything.
    in_lines = settings.cleanup_replace_stray_cr_lf and transaction.sender.encoding != "binary" and all_crlf(header)
    intake = service.cleanup.open(
        transaction.queue_id, client=facts.client, origin_service="smtpd", context=context, in_lines=in_lines
    )
    transaction.intake = intake
    intake.write(header)
    return intake


async def _rewrite_context(session: "Session") -> str:
    """Whose mail it is where headers are completed: as XFORWARD SOURCE told, else as the client is one of ours or not
    (local_header_rewrite_clients)."""
    if session.forwarded is not None and session.forwarded.context:
        return session.forwarded.context
    return "local" if await session.client_is("local_rewrite") else "remote"


class _Nothing(Struct, frozen=True):
    """A message accepted and dropped (`Cleaned`)."""

    message: NewMessage | None = None
    outcome: Outcome | None = None


class Discarding:
    """The intake of a message that an access table wants discarded: nobody looks at its content (access(5))."""

    __slots__ = ()

    def write(self, chunk: bytes) -> None: ...

    async def finish(self, envelope: Envelope) -> Cleaned:
        return _Nothing()

    def abort(self) -> None: ...


class _Sink:
    """Where content goes: on to cleanup, up to the last line with which it is no more than `message_size_limit`."""

    __slots__ = ("_limit", "_session", "_size", "_started", "intake")

    def __init__(self, session: "Session", intake: Intake, *, started: bool = False) -> None:
        self._session = session
        self._limit = session.settings.message_size_limit
        self._size = 0
        self._started = started
        self.intake = intake

    def write(self, chunk: bytes) -> None:
        """Pass `chunk` on. The first line is mended as smtpd does: no mbox separator, no header that begins with a blank."""
        room = self._limit - self._size
        self._size += len(chunk)
        if self._limit and len(chunk) > room:
            chunk = chunk[: chunk.rfind(b"\n", 0, max(room, 0)) + 1]
        if not self._started and chunk:
            self._started = True
            if chunk[0] in b" \t":
                chunk = b"\r\n" + chunk
            elif chunk[:5] == b"From " or (chunk[:1] == b">" and chunk.lstrip(b">").startswith(b"From ")):
                chunk = b"X-Mailbox-Line: " + chunk
        self.intake.write(chunk)


async def _receive(session: "Session", reader: Reader, sink: _Sink) -> None:
    """Content up to its end. Raises Gone, with the number of octets noted for the log."""
    turns = Turns()
    try:
        while isinstance(event := await session.next_event(), DataChunk):
            sink.write(event.data)
            if turns.over():
                await turns.rest()
    except Gone:
        session.progress = reader.received if isinstance(reader, BdatReader) else reader.size
        raise


# --- the end of a message ---


async def _within_limits(session: "Session", ending: Ending) -> str | None:
    limit = session.settings.message_size_limit
    if limit and ending.reader.size > limit:
        session.note(f"{session.facts.queue_id}: queue file size limit exceeded", "warning")
        return "552 5.3.4 Error: message file too big"
    return None


async def _line_ends_proper(session: "Session", ending: Ending) -> str | None:
    if session.line_ends is not LineEnds.REJECT or not ending.reader.bare_newline:
        return None
    session.log_judged("reject", "bare <LF> received")
    settings = session.settings
    return f"{settings.smtpd_forbid_bare_newline_reject_code} 5.5.2 {settings.myhostname} Error: bare <LF> received"


async def _policy_consents(session: "Session", ending: Ending) -> str | None:
    session.facts.message_size = ending.reader.size
    return None if await session.judge(Stage.END_OF_DATA) else ""


async def _cleaned(session: "Session", ending: Ending) -> str | None:
    transaction = ending.transaction
    attrs = attributes(session.facts, session.forwarded, session.rewrite_context, transaction.sender.encoding)
    transaction.intake = None
    wanted = envelope(transaction.sender, transaction.recipients, session.actions, attrs, session.settings.content_filter)
    cleaned = await ending.intake.finish(wanted)
    if cleaned.outcome is not None and not cleaned.outcome.ok:
        session.troubles.add(cleaned.outcome.origin)
        return text_of(cleaned.outcome)
    ending.message = cleaned.message
    return None


async def _stored(session: "Session", ending: Ending) -> str | None:
    if ending.message is None or any(action.kind == "discard" for action in session.actions):
        return None
    try:
        await session.service.enqueue(ending.message)
    except QueueUnavailable as failure:
        session.note(f"{session.facts.queue_id}: queue file write error: {failure}", "warning")
        session.troubles.add("resource")
        return text_of(Outcome(Class.TEMPORARY, "4.3.0", "Error: queue file write error", 451))
    return None


Stages = tuple[Callable[["Session", Ending], Awaitable[str | None]], ...]
_STAGES: Final[Stages] = (_within_limits, _line_ends_proper, _policy_consents, _cleaned, _stored)
"""In order. A stage returns None to go on, else the reply that ends it (empty where the client has been told)."""


async def _end(session: "Session", ending: Ending, said: str) -> bool:
    """Through the stages, and what the client hears. `said`: the text of success; `{id}` is the queue id."""
    facts, transaction = session.facts, ending.transaction
    session.where = facts.protocol_state = END_OF_MESSAGE
    session.progress = None
    _answer_for_each_recipient(session)
    if len(transaction.recipients) == 1:
        facts.recipient = transaction.recipients[0].address
    queue_id, accepted = facts.queue_id, True
    for stage in _STAGES:
        refusal = await stage(session, ending)
        if refusal is not None:
            accepted = False
            if refusal:
                session.reply(refusal)
            break
    if accepted:
        session.delivered()
        session.reply("250 2.0.0 " + said.format(id=queue_id))
    session.repeats = 1
    session.end_transaction()
    return accepted
