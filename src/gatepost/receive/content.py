"""DATA and BDAT: the content, up to its end (RFC 5321 §4.1.1.4, RFC 3030). What follows: end_of_message.py."""

from functools import partial

from msgspec import Struct, structs

from gatepost.admission.port import TAKEN, Admitted, ProtocolStage
from gatepost.admission.staging import STRAY
from gatepost.mail.address import to_bytes
from gatepost.mail.ascii_text import is_number, spaced_words, upper
from gatepost.mail.content import is_plain
from gatepost.mail.envelope import Envelope
from gatepost.mail.header import single
from gatepost.net.turns import Turns
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.data import BdatReader, DataReader, all_crlf
from gatepost.proto.smtp.grammar import printable
from gatepost.proto.smtp.server import CommandLine, DataChunk
from gatepost.receive import filtered
from gatepost.receive.answer import Answer, refused, rejected
from gatepost.receive.connection import Gone
from gatepost.receive.end_of_message import ContentReader, Ending, end_message
from gatepost.receive.first_line import mended
from gatepost.receive.port import ContentTaker, Intake
from gatepost.receive.proxy_filter import Passage
from gatepost.receive.received import received
from gatepost.receive.session_state import SessionState
from gatepost.receive.transaction import END, MailTransaction


async def data(state: SessionState, command: CommandLine) -> Answer:
    """DATA: the content follows."""
    transaction = state.transaction
    if state.chunking:
        return refused(say.DATA_AFTER_BDAT)
    if transaction is None:
        return refused(say.NEED_RCPT)
    if not transaction.recipients:
        return refused(say.no_valid_recipients(state.ports.dialect.no_valid_recipients))
    if command.argument:
        return refused(say.DATA_SYNTAX)
    refusal = await _data_refused(state, transaction, command.line)
    if refusal is not None:
        return refusal
    return Answer(say.GO_AHEAD, then=partial(_take_data, state, transaction))


async def _take_data(state: SessionState, transaction: MailTransaction) -> Answer:
    settings = state.settings
    reader = DataReader(state.line_ends, blank_cr=settings.cleanup_replace_stray_cr_lf, line_limit=settings.line_length_limit)
    state.wire.core.read_data(reader)
    sink = _Sink(state, await _open_content(state, transaction), transaction.passage)
    await _receive(state, reader, sink)
    return await end_message(state, Ending(transaction, reader), say.queued(state.facts.queue_id))


# --- BDAT ---


class _Chunk(Struct, frozen=True):
    """What BDAT announces: octets, and whether they are the last of the message."""

    size: int
    last: bool


async def bdat(state: SessionState, command: CommandLine) -> Answer:
    """BDAT: a chunk of known size follows, at once (RFC 3030 §2). Where its size is not known the session is out of step."""
    if "CHUNKING" in state.ehlo_discard:
        return refused(say.NO_BDAT)
    match spaced_words(upper(command.argument)):
        case [size] if _is_chunk_size(size):
            chunk = _Chunk(int(size), last=False)
        case [size, "LAST"] if _is_chunk_size(size):
            chunk = _Chunk(int(size), last=True)
        case _:
            said = f"{state.facts.client}: {printable(state.secrets.shown(command.line))[:100]}"
            state.note(f"{_queue_id(state)}: malformed BDAT command syntax from {said}", "warning")
            return refused(say.BDAT_SYNTAX)
    refusal = await _chunk_refused(state, chunk)
    if refusal is not None:  # it is logged at once, but the client hears of it when it has sent the chunk
        told = structs.replace(refusal, rejects=False)
        return structs.replace(refusal, reply=None, then=partial(_skip_chunk, state, chunk, told))
    assert state.transaction is not None
    return await _take_chunk(state, state.transaction, chunk)


def _is_chunk_size(word: str) -> bool:
    """Digits that a file size can hold; nobody waits for a chunk of more."""
    return is_number(word) and int(word) < 1 << 63


def _queue_id(state: SessionState) -> str:
    return state.facts.queue_id or "NOQUEUE"


async def _chunk_refused(state: SessionState, chunk: _Chunk) -> Answer | None:
    """The refusal of a chunk."""
    transaction, limit, client = state.transaction, state.settings.message_size_limit, state.facts.client
    if not chunk.size and not chunk.last:  # says nothing; whoever sends one after the other would be answered for ever
        state.note(f"{_queue_id(state)}: null BDAT request from {client}", "warning")
        return refused(say.NULL_BDAT)
    if state.spoiled:
        return refused(say.chunk_discarded(chunk.size))
    if transaction is None:
        return refused(say.NEED_RCPT)
    if not transaction.recipients:
        return refused(say.no_valid_recipients(state.ports.dialect.no_valid_recipients))
    if transaction.bdat is None and (refusal := await _data_refused(state, transaction, "DATA")) is not None:
        return refusal
    if limit and (transaction.bdat.size if transaction.bdat else 0) + chunk.size > limit:
        state.note(f"{_queue_id(state)}: BDAT request from {client} exceeds message size limit", "warning")
        return refused(say.CHUNK_TOO_LARGE)
    return None


async def _skip_chunk(state: SessionState, chunk: _Chunk, refusal: Answer) -> Answer:
    """Throw a chunk away, and with it the rest of the message."""
    state.wire.core.read_chunk(BdatReader(binary=True), chunk.size)
    while isinstance(await state.wire.next_event(), DataChunk):
        pass
    state.spoiled = True
    if state.transaction is not None:
        state.transaction.abort()
    return structs.replace(refusal, effect=END, ends_message=True) if chunk.last else refusal


async def _take_chunk(state: SessionState, transaction: MailTransaction, chunk: _Chunk) -> Answer:
    reader = transaction.bdat
    if reader is None:
        settings = state.settings
        reader = BdatReader(
            state.line_ends,
            blank_cr=settings.cleanup_replace_stray_cr_lf,
            binary=transaction.sender.encoding == "binary",
            line_limit=settings.line_length_limit,
        )
        transaction.bdat = reader
        await _open_content(state, transaction)
    taker = transaction.passage or transaction.intake
    assert taker is not None
    sink = _Sink(state, taker, transaction.passage, started=reader.size > 0)
    state.wire.core.read_chunk(reader, chunk.size)
    await _receive(state, reader, sink)
    if not chunk.last:
        return Answer(say.chunk_taken(chunk.size))
    sink.write(reader.finish())
    success = say.chunks_queued(state.facts.queue_id, reader.size)
    return await end_message(state, Ending(transaction, reader), success)


# --- the content ---


async def _data_refused(state: SessionState, transaction: MailTransaction, line: str) -> Answer | None:
    """The refusal of the content by policy, or by the before-queue filter. `line`: the command for that."""
    facts = state.facts
    facts.recipient = transaction.only_recipient()
    refusal = await state.judge(ProtocolStage.DATA)
    if refusal is not None:
        return rejected(refusal)
    facts.recipient = None
    if transaction.passage is not None and (unwanted := await transaction.passage.data(line)) is not None:
        return filtered.turned_away(unwanted)
    return None


async def _open_content(state: SessionState, transaction: MailTransaction) -> ContentTaker:
    """Cleanup begins, or the before-queue filter, and gets the headers that are ours."""
    header = _own_headers(state, transaction)
    if transaction.passage is not None:
        transaction.passage.write(header if all_crlf(header) else STRAY.sub(b" ", header))
        return transaction.passage
    intake = transaction.intake = await _open_intake(state, transaction, header)
    intake.write(header, plain=is_plain(header))
    return intake


async def _open_intake(state: SessionState, transaction: MailTransaction, header: bytes) -> Intake:
    """Cleanup begins. `header`: what it will get first."""
    settings = state.settings
    assert transaction.queue_id is not None, "it has had one since its first recipient"
    context = state.rewrite_context = await state.rewrites_as()
    if state.discards:
        return Discarding()
    # The readers have made it so, but what an address or a table brings into our own headers may be anything.
    in_lines = settings.cleanup_replace_stray_cr_lf and transaction.sender.encoding != "binary" and all_crlf(header)
    return state.ports.admission.open(
        transaction.queue_id,
        client=state.facts.client,
        origin_service="smtpd",
        context=context,
        in_lines=in_lines,
        guards=state.guards,
    )


def _own_headers(state: SessionState, transaction: MailTransaction) -> bytes:
    """Those of PREPEND actions, then Received, which a server in the middle of a before-queue filter leaves to those around it."""
    facts, settings, ports = state.facts, state.settings, state.ports
    prepended = b"".join(single(to_bytes(action.value)) for action in state.actions if action.kind == "prepend")
    if transaction.passage is not None and state.forwarded is not None:
        return prepended
    return prepended + received(
        facts,
        myhostname=settings.myhostname,
        mail_name=settings.mail_name,
        queue_id=facts.queue_id,
        date=ports.mail_date(ports.clock()),
        recipient=transaction.only_recipient(),
        show_tls=settings.smtpd_tls_received_header,
        asked_for_certificate=ports.tls is not None and ports.tls.asks,
        show_login=settings.smtpd_sasl_authenticated_header,
        hide_session=settings.smtpd_hide_client_session,
    )


class Discarding:
    """The intake of a message that an access table wants discarded: nobody looks at its content (access(5))."""

    __slots__ = ()

    def write(self, chunk: bytes, *, plain: bool = False) -> None: ...

    async def admit(self, envelope: Envelope, *, dropped: bool) -> Admitted:
        return TAKEN

    def abort(self) -> None: ...


class _Sink:
    """Where content goes: on to cleanup or the before-queue filter, up to the last line with which it is no more than
    `message_size_limit`. `passage`: through the filter, which may hold the content back."""

    __slots__ = ("_limit", "_size", "_started", "_taker", "passage")

    def __init__(self, state: SessionState, taker: ContentTaker, passage: Passage | None, *, started: bool = False) -> None:
        self._limit = state.settings.message_size_limit
        self._size = 0
        self._started = started
        self._taker = taker
        self.passage = passage

    def write(self, chunk: bytes, *, plain: bool = False) -> None:
        """Pass `chunk` on. The first line is mended."""
        room = self._limit - self._size
        self._size += len(chunk)
        if self._limit and len(chunk) > room:
            chunk = chunk[: chunk.rfind(b"\n", 0, max(room, 0)) + 1]
        if not self._started and chunk:
            self._started = True
            first = mended(chunk)
            if first is not chunk:
                chunk, plain = first, False
        self._taker.write(chunk, plain=plain)


async def _receive(state: SessionState, reader: ContentReader, sink: _Sink) -> None:
    """Content up to its end. Raises Gone, with the number of octets for the log."""
    turns = Turns()
    try:
        while isinstance(event := await state.wire.next_event(), DataChunk):
            sink.write(event.data, plain=event.plain)
            if sink.passage is not None:
                await sink.passage.onward()
            if turns.over():
                await turns.rest()
    except Gone as gone:
        gone.octets = reader.received if isinstance(reader, BdatReader) else reader.size
        raise
