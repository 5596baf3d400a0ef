"""MAIL, RCPT and VRFY: who sends, and to whom (RFC 5321 §4.1.1.2-3, §3.5)."""

from gatepost.admission.port import ProtocolStage
from gatepost.events.notes import IllegalAddress
from gatepost.events.records import Accepted, Note
from gatepost.lookup.port import LookupFailure
from gatepost.mail.address import domain_of
from gatepost.mail.ascii_text import upper
from gatepost.mail.outcome import Outcome
from gatepost.proto.smtp import grammar
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.replies import ServerReply
from gatepost.proto.smtp.server import CommandLine
from gatepost.receive import filtered
from gatepost.receive.answer import Answer, Tally, refused, rejected
from gatepost.receive.envelope_parameters import (
    NO_NOTIFICATION,
    Notification,
    Offer,
    asks_for_verp,
    notification,
    unknown_notice,
    with_parameters,
)
from gatepost.receive.session_state import SessionState
from gatepost.receive.transaction import END, Begin, MailTransaction, Sender, TakeRecipient, recipient
from gatepost.state.port import Rate

# --- MAIL ---


async def mail(state: SessionState, command: CommandLine) -> Answer:
    """MAIL: a transaction begins."""
    out_of_order = _mail_out_of_order(state)
    if out_of_order is not None:
        return refused(out_of_order)
    argument = grammar.words(command.argument, colon=True)
    if len(argument) < 2 or upper(argument[0]) != "FROM:":
        return refused(say.MAIL_SYNTAX)
    address = await _address(state, argument[1], allow_empty=True)
    if address is None:
        return _malformed(state, argument[1], say.BAD_SENDER)
    sender = Sender(address) if len(argument) == 2 else await _with_parameters(state, Sender(address), argument[2:])
    if isinstance(sender, ServerReply):
        return refused(sender)
    if not address.isascii() and not sender.smtputf8:
        refusal = _without_smtputf8(state, address, argument[1], say.BAD_SENDER)
        if refusal is not None:
            return refusal
    if not await state.within_rate(Rate.MESSAGE):
        return refused(say.too_much_mail(state.facts.client_address))
    return await _begin(state, sender, command, argument[1:])


def _mail_out_of_order(state: SessionState) -> ServerReply | None:
    if state.settings.smtpd_helo_required and state.facts.helo_name is None:
        return say.HELLO_FIRST
    if state.transaction is not None:
        return say.NESTED_MAIL
    return say.MAIL_AFTER_BDAT if state.chunking else None


async def _with_parameters(state: SessionState, sender: Sender, parameters: list[str]) -> Sender | ServerReply:
    verp = asks_for_verp(parameters) and await state.client_is("verp_clients")
    return with_parameters(Offer(state.settings, state.ehlo_discard, verp, state.offers_requiretls), sender, parameters)


async def _begin(state: SessionState, sender: Sender, command: CommandLine, words: list[str]) -> Answer:
    """Storage, size and policy permitting, the transaction is there; and it is known how its headers are to be rewritten.
    `words`: the path and the parameters, as given."""
    refusal = await _storage_refused(state)
    if refusal is not None:
        return rejected(refusal)
    facts = state.facts
    facts.sender, facts.sasl_sender = sender.address, sender.sasl_sender
    facts.message_size, facts.body_type, facts.smtputf8 = sender.size, sender.encoding, sender.smtputf8
    facts.instance = state.ports.next_instance()
    limit = state.settings.message_size_limit
    refusal = say.TOO_LARGE if limit and sender.size > limit else await state.judge(ProtocolStage.MAIL, words)
    if refusal is not None:
        return rejected(refusal, END)
    proxy = state.ports.proxy_filter
    transaction = MailTransaction(sender, None if proxy is None else proxy.passage(command.line))
    if not state.settings.smtpd_delay_open_until_valid_rcpt and (closed := await open_message(state, transaction)) is not None:
        return filtered.turned_away(closed, END)
    return Answer(say.SENDER_OK, effect=Begin(transaction))


async def _storage_refused(state: SessionState) -> Outcome | None:
    try:
        await state.client_is("local_rewrite")
    except LookupFailure:
        return say.LOOKUP_ERROR
    return None if state.ports.lookups.room_for(state.settings.message_size_limit) else say.NO_STORAGE


async def open_message(state: SessionState, transaction: MailTransaction) -> ServerReply | None:
    """There is a place that the content can go to: the message gets its queue id, or the before-queue filter hears of it. The log
    says whose it is. Returns the filter's refusal."""
    facts, forwarded = state.facts, state.forwarded
    if transaction.passage is None:
        transaction.queue_id = state.ports.new_id()
        facts.queue_id = str(transaction.queue_id)
    elif (refusal := await transaction.passage.open(filtered.client_of(state, await state.rewrites_as()))) is not None:
        return refusal
    of_client = forwarded is not None and forwarded.of_client
    state.ports.emit(
        Accepted(
            service="smtpd", queue_id=facts.queue_id, client=facts.client, sasl_method=facts.sasl_method,
            sasl_username=facts.sasl_username, sasl_sender=facts.sasl_sender,
            orig_queue_id=forwarded.ident if forwarded else "", orig_client=forwarded.client if forwarded and of_client else "",
        )
    )  # fmt: skip
    return None


# --- addresses ---


async def _address(state: SessionState, word: str, *, allow_empty: bool = False) -> str | None:
    """The address of a path that `word` writes, see `_well_formed`."""
    address = grammar.path(word, strict=state.settings.strict_rfc821_envelopes)
    return address if address == "" and allow_empty else await _well_formed(state, address)


async def _well_formed(state: SessionState, address: str | None) -> str | None:
    """The address where routing finds it well-formed, else None."""
    like_an_option = address is not None and address.startswith("-") and not state.settings.allow_min_user
    if not address or like_an_option or not await state.ports.lookups.well_formed(address, state.facts.sender or ""):
        return None
    return address


def _malformed(state: SessionState, word: str, reply: ServerReply) -> Answer:
    """The refusal of a malformed address, with a warning; one that is cut short is only refused."""
    if word.startswith("<") and ">" not in word:
        return refused(reply)
    facts = state.facts
    return refused(reply, IllegalAddress("smtpd", facts.client, facts.protocol_state, grammar.printable(word)))


def _without_smtputf8(state: SessionState, address: str, word: str, bad: ServerReply) -> Answer | None:
    """The refusal of an address beyond ASCII where SMTPUTF8 was not asked for: a domain in UTF-8 is none then (RFC 6531 §3.2)."""
    if state.settings.strict_smtputf8:
        return refused(say.NEEDS_SMTPUTF8)
    return None if domain_of(address).isascii() else _malformed(state, word, bad)


# --- RCPT ---


async def rcpt(state: SessionState, command: CommandLine) -> Answer:
    """RCPT: one more recipient."""
    transaction = state.transaction
    if transaction is None:
        return refused(say.NEED_MAIL)
    if state.chunking:
        return refused(say.RCPT_AFTER_BDAT)
    argument = grammar.words(command.argument, colon=True)
    if len(argument) < 2 or upper(argument[0]) != "TO:":
        return refused(say.RCPT_SYNTAX)
    address = await _address(state, argument[1])
    if address is None:
        return _malformed(state, argument[1], say.BAD_RECIPIENT)
    asked = _notification(state, argument[2:])
    if isinstance(asked, ServerReply):
        return _bad_notification(asked, argument[2:])
    if not address.isascii() and not transaction.sender.smtputf8:
        refusal = _without_smtputf8(state, address, argument[1], say.BAD_RECIPIENT)
        if refusal is not None:
            return refusal
    if not await state.within_rate(Rate.RECIPIENT):
        return refused(say.too_many_recipients_from(state.facts.client_address))
    limit = state.settings.smtpd_recipient_limit
    if limit and len(transaction.recipients) >= limit:
        return _too_many(state, transaction)
    refusal = await _unwelcome(state, transaction, command, address, argument[1:])
    if refusal is not None:
        return refusal
    address = state.ports.lookups.own_sender(address) or address
    return Answer(say.RECIPIENT_OK, effect=TakeRecipient(recipient(address, asked.orcpt or _as_given(argument[1]), asked.notify)))


def _notification(state: SessionState, parameters: list[str]) -> Notification | ServerReply:
    return notification(Offer(state.settings, state.ehlo_discard), parameters) if parameters else NO_NOTIFICATION


def _bad_notification(reply: ServerReply, parameters: list[str]) -> Answer:
    """What refuses NOTIFY or ORCPT; the log is told of a word that nobody knows."""
    unknown = unknown_notice(parameters) if reply is say.BAD_NOTIFY else None
    if unknown is None:
        return refused(reply)
    word, value = (grammar.printable(text)[:100] for text in unknown)
    return refused(reply, Note("smtpd", f'unknown DSN NOTIFY command value "{word}" in "{value}"', "warning"))


async def _unwelcome(
    state: SessionState, transaction: MailTransaction, command: CommandLine, address: str, words: list[str]
) -> Answer | None:
    """The refusal of a recipient by policy, or by the before-queue filter. `words`: how it was given, and its parameters."""
    state.facts.recipient = address
    refusal = await state.judge(ProtocolStage.RCPT, words)
    if refusal is not None:
        return rejected(refusal)
    if not transaction.opened and (closed := await open_message(state, transaction)) is not None:
        return filtered.turned_away(closed)
    if transaction.passage is not None and (unwanted := await transaction.passage.recipient(command.line)) is not None:
        return filtered.turned_away(unwanted)
    return None


def _too_many(state: SessionState, transaction: MailTransaction) -> Answer:
    """Recipients above the limit are put off; only an unreasonable number of them is an error (RFC 5321 §4.5.3.1.10)."""
    transaction.overshoot += 1
    within = transaction.overshoot <= state.settings.smtpd_recipient_overshoot_limit
    return Answer(say.TOO_MANY_RECIPIENTS, Tally.SUCCESS if within else Tally.ERROR)


def _as_given(word: str) -> str:
    """The original recipient where the client named none: what it said, less the brackets. Postfix calls it rfc822 in SMTPUTF8
    mail too."""
    given = word[1:-1] if word.startswith("<") and word.endswith(">") else word
    return f"rfc822;{given}"


# --- VRFY ---


async def vrfy(state: SessionState, command: CommandLine) -> Answer:
    """VRFY: whether RCPT would take the address; never what becomes of it (RFC 5321 §7.3)."""
    settings = state.settings
    if settings.disable_vrfy_command:
        return refused(say.NO_VRFY)
    argument = grammar.words(command.argument)
    if len(argument) > 1 and upper(argument[-1]) == "SMTPUTF8" and Offer(settings, state.ehlo_discard).smtputf8:
        argument.pop()
    if not argument:
        return refused(say.vrfy_syntax(settings.smtputf8_enable))
    word = " ".join(argument)
    address = await _well_formed(state, grammar.path(word))  # no path is asked of VRFY: RFC 5321 §4.1.1.6
    if address is None:
        return _malformed(state, word, say.BAD_RECIPIENT)
    state.facts.recipient = address
    refusal = await state.judge(ProtocolStage.VRFY, argument)
    return rejected(refusal) if refusal is not None else Answer(say.cannot_verify(argument[0]))
