"""MAIL, RCPT and VRFY: addresses and their parameters (RFC 5321 §4.1.1.2-3, RFC 1870, 3461, 6152, 6531; VERP_README)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gatepost.events.records import Accepted
from gatepost.lookup.port import LookupFailure
from gatepost.mail.address import domain_of
from gatepost.mail.ascii_text import is_number, upper
from gatepost.mail.envelope import Notify
from gatepost.mail.outcome import Class, Outcome
from gatepost.policy.port import Stage
from gatepost.proto.smtp import grammar
from gatepost.proto.smtp.server import Command
from gatepost.receive.transaction import Sender, Transaction
from gatepost.state.port import Rate

if TYPE_CHECKING:
    from gatepost.receive.session import Session

_BAD_SENDER: Final = "501 5.1.7 Bad sender address syntax"
_BAD_RECIPIENT: Final = "501 5.1.3 Bad recipient address syntax"
_NEEDS_SMTPUTF8: Final = "553 5.6.7 Must declare SMTPUTF8 to send unicode address"
_NO_DSN: Final = "501 5.7.1 DSN support is disabled"
_LARGEST: Final = 2**63 - 1


async def mail(session: "Session", command: Command) -> bool:
    """MAIL: a transaction begins."""
    settings, facts = session.settings, session.facts
    if settings.smtpd_helo_required and facts.helo_name is None:
        return session.refuse("503 5.5.1 Error: send HELO/EHLO first")
    if session.transaction is not None:
        return session.refuse("503 5.5.1 Error: nested MAIL command")
    if session.chunking:
        return session.refuse("503 5.5.1 Error: MAIL after BDAT")
    argument = grammar.words(command.argument)
    if len(argument) < 2 or upper(argument[0]) != "FROM:":
        return session.refuse("501 5.5.4 Syntax: MAIL FROM:<address>")
    address = await _address(session, argument[1], allow_empty=True)
    if address is None:
        return session.refuse(_BAD_SENDER)
    sender = Sender(address) if len(argument) == 2 else await _with_parameters(session, address, argument[2:])
    if isinstance(sender, str):
        return session.refuse(sender)
    if not address.isascii():
        if settings.strict_smtputf8 and not sender.smtputf8:
            return session.refuse(_NEEDS_SMTPUTF8)
        if _needs_smtputf8(sender, address):
            _illegal(session, argument[1])
            return session.refuse(_BAD_SENDER)
    if not await session.within_rate(Rate.MESSAGE):
        return session.refuse(f"450 4.7.1 Error: too much mail from {facts.client_address}")
    return await _begin(session, sender)


async def _begin(session: "Session", sender: Sender) -> bool:
    """Storage, size and policy permitting, the transaction is there; and it is known how its headers are to be rewritten."""
    settings, facts = session.settings, session.facts
    try:
        await session.client_is("local_rewrite")
    except LookupFailure:
        session.reject(Outcome(Class.TEMPORARY, "4.3.0", "Temporary lookup error", 451), "software")
        return False
    if not session.service.surroundings.room_for(settings.message_size_limit):
        session.reject(Outcome(Class.TEMPORARY, "4.3.1", "Insufficient system storage", 452), "resource")
        return False
    facts.sender = sender.address
    facts.message_size, facts.body_type, facts.smtputf8 = sender.size, sender.encoding, sender.smtputf8
    facts.instance = session.service.next_instance()
    session.transaction = Transaction(sender)
    if not (_fits(session, sender.size) and await session.judge(Stage.SENDER)):
        session.end_transaction()
        return False
    if not settings.smtpd_delay_open_until_valid_rcpt:
        open_queue_file(session, session.transaction)
    session.reply("250 2.1.0 Ok")
    return True


def _fits(session: "Session", size: int) -> bool:
    limit = session.settings.message_size_limit
    if limit and size > limit:
        session.reject(Outcome(Class.PERMANENT, "5.3.4", "Message size exceeds fixed limit", 552))
        return False
    return True


def open_queue_file(session: "Session", transaction: Transaction) -> None:
    """The message gets its queue id, and the log says whose it is."""
    transaction.queue_id = session.service.new_id()
    facts, forwarded = session.facts, session.forwarded
    of_client = forwarded is not None and forwarded.of_client
    facts.queue_id = str(transaction.queue_id)
    session.emit(
        Accepted(
            service="smtpd", queue_id=facts.queue_id, client=facts.client, sasl_method=facts.sasl_method,
            sasl_username=facts.sasl_username, sasl_sender=facts.sasl_sender,
            orig_queue_id=forwarded.ident if forwarded else "", orig_client=forwarded.client if forwarded and of_client else "",
        )
    )  # fmt: skip


async def _address(session: "Session", word: str, *, allow_empty: bool = False) -> str | None:
    """The address that `word` writes and that routing finds well-formed; else None, and a warning in the log."""
    address = grammar.path(word, strict=session.settings.strict_rfc821_envelopes)
    if address == "" and allow_empty:
        return address
    like_an_option = address is not None and address.startswith("-") and not session.settings.allow_min_user
    well_formed = session.service.surroundings.well_formed
    if not address or like_an_option or not await well_formed(address, session.facts.sender or ""):
        _illegal(session, word)
        return None
    return address


def _illegal(session: "Session", word: str) -> None:
    """Warn of a malformed address; one that is cut short is only refused."""
    if not word.startswith("<") or ">" in word:
        text = f"Illegal address syntax from {session.facts.client} in {session.where} command: {grammar.printable(word)}"
        session.note(text, "warning")


def _needs_smtputf8(sender: Sender, address: str) -> bool:
    """A domain in UTF-8 is no domain unless SMTPUTF8 was asked for (RFC 6531 §3.2)."""
    return not sender.smtputf8 and not domain_of(address).isascii()


# --- parameters of MAIL ---

_Values = dict[str, object]
_Parameter = Callable[["Session", str, _Values], str | None]
"""Takes a value into what will be a `Sender`; a text is the reply that refuses it."""


async def _with_parameters(session: "Session", address: str, parameters: list[str]) -> Sender | str:
    """MAIL's parameters as a Sender, or the reply that refuses them."""
    values: _Values = {}
    verp_allowed = await session.client_is("verp_clients") if any(upper(p[:5]) == "XVERP" for p in parameters) else False
    for parameter in parameters:
        keyword, equals, value = parameter.partition("=")
        take = _MAIL_PARAMETERS.get(upper(keyword) + equals)
        if take is None or (take in (_verp, _default_verp) and not verp_allowed):
            return f"555 5.5.4 Unsupported option: {parameter}"
        refusal = take(session, value, values)
        if refusal is not None:
            return refusal.format(parameter=parameter)
    if values.get("verp") and not address:
        return "503 5.5.4 Error: XVERP requires non-null sender"
    return Sender(address, **values)  # type: ignore[arg-type]


_UNSUPPORTED: Final = "555 5.5.4 Unsupported option: {parameter}"


def _size(session: "Session", value: str, values: _Values) -> str | None:
    if not is_number(value):
        return "501 5.5.4 Bad message size syntax"
    if int(value) > _LARGEST:
        return "552 5.3.4 Message size exceeds file system imposed limit"
    values["size"] = int(value)
    return None


def _body(session: "Session", value: str, values: _Values) -> str | None:
    encodings = {"7BIT": "7bit", "8BITMIME": "8bit"}
    if session.settings.smtpd_binarymime_enable:
        encodings["BINARYMIME"] = "binary"
    if (encoding := encodings.get(upper(value))) is None:
        return _UNSUPPORTED
    values["encoding"] = encoding
    return None


def _smtputf8_offered(session: "Session") -> bool:
    return session.settings.smtputf8_enable and "SMTPUTF8" not in session.ehlo_discard


def _smtputf8(session: "Session", value: str, values: _Values) -> str | None:
    if not _smtputf8_offered(session):
        return _UNSUPPORTED
    values["smtputf8"] = True
    return None


def _ret(session: "Session", value: str, values: _Values) -> str | None:
    if "DSN" in session.ehlo_discard:
        return _NO_DSN
    if "ret" in values or upper(value) not in ("FULL", "HDRS"):
        return "501 5.5.4 Bad RET parameter syntax"
    values["ret"] = upper(value)
    return None


def _envid(session: "Session", value: str, values: _Values) -> str | None:
    if "DSN" in session.ehlo_discard:
        return _NO_DSN
    decoded = grammar.xtext(value)
    if "envid" in values or not decoded or not (decoded.isascii() and decoded.isprintable()):
        return "501 5.5.4 Bad ENVID parameter syntax"
    values["envid"] = decoded
    return None


def _auth(session: "Session", value: str, values: _Values) -> str | None:
    """AUTH=<> or an address (RFC 4954 §5); without SASL it is only taken note of, as in Postfix."""
    decoded = grammar.xtext(value)
    if decoded and value != "<>":
        session.facts.sasl_sender = decoded
    return None


def _default_verp(session: "Session", value: str, values: _Values) -> str | None:
    values["verp"] = session.settings.default_verp_delimiters
    return None


def _verp(session: "Session", value: str, values: _Values) -> str | None:
    allowed = session.settings.verp_delimiter_filter
    if len(value) != 2 or any(c not in allowed for c in value):
        allowed = allowed.replace("{", "{{").replace("}", "}}")
        return f"501 5.5.4 Error: XVERP needs two characters from {allowed}"
    values["verp"] = value
    return None


_MAIL_PARAMETERS: Final[dict[str, _Parameter]] = {
    "SIZE=": _size,
    "BODY=": _body,
    "SMTPUTF8": _smtputf8,
    "RET=": _ret,
    "ENVID=": _envid,
    "AUTH=": _auth,
    "XVERP": _default_verp,
    "XVERP=": _verp,
}


# --- RCPT ---


async def rcpt(session: "Session", command: Command) -> bool:
    """RCPT: one more recipient."""
    transaction, settings, facts = session.transaction, session.settings, session.facts
    if transaction is None:
        return session.refuse("503 5.5.1 Error: need MAIL command")
    if session.chunking:
        return session.refuse("503 5.5.1 Error: RCPT after BDAT")
    argument = grammar.words(command.argument)
    if len(argument) < 2 or upper(argument[0]) != "TO:":
        return session.refuse("501 5.5.4 Syntax: RCPT TO:<address>")
    address = await _address(session, argument[1])
    if address is None:
        return session.refuse(_BAD_RECIPIENT)
    asked = _notification(session, argument[2:]) if len(argument) > 2 else (0, "")
    if isinstance(asked, str):
        return session.refuse(asked)
    if not address.isascii():
        if settings.strict_smtputf8 and not transaction.sender.smtputf8:
            return session.refuse(_NEEDS_SMTPUTF8)
        if _needs_smtputf8(transaction.sender, address):
            _illegal(session, argument[1])
            return session.refuse(_BAD_RECIPIENT)
    if not await session.within_rate(Rate.RECIPIENT):
        return session.refuse(f"450 4.7.1 Error: too many recipients from {facts.client_address}")
    if settings.smtpd_recipient_limit and len(transaction.recipients) >= settings.smtpd_recipient_limit:
        return _too_many(session, transaction)
    facts.recipient = address
    welcome = await session.judge(Stage.RECIPIENT)
    if welcome:
        notify, orcpt = asked
        transaction.add(address, orcpt or _as_given(argument[1]), notify)
        facts.recipient_count += 1
        if transaction.queue_id is None:
            open_queue_file(session, transaction)
        session.reply("250 2.1.5 Ok")
    facts.recipient = None
    return welcome


def _too_many(session: "Session", transaction: Transaction) -> bool:
    """Recipients above the limit are put off; only an unreasonable number of them is an error (RFC 5321 §4.5.3.1.10)."""
    session.reply("452 4.5.3 Error: too many recipients")
    transaction.overshoot += 1
    return transaction.overshoot <= session.settings.smtpd_recipient_overshoot_limit


def _as_given(word: str) -> str:
    """The original recipient where the client named none: what it said, less the brackets. Postfix calls it rfc822 in SMTPUTF8
    mail too."""
    given = word[1:-1] if word.startswith("<") and word.endswith(">") else word
    return f"rfc822;{given}"


_NOTIFY: Final = {"NEVER": Notify.NEVER, "SUCCESS": Notify.SUCCESS, "FAILURE": Notify.FAILURE, "DELAY": Notify.DELAY}


def _notification(session: "Session", parameters: list[str]) -> tuple[int, str] | str:
    """NOTIFY and ORCPT (RFC 3461 §4.1-2) as (bits, original recipient), or the reply that refuses them."""
    notify, orcpt = 0, ""
    for parameter in parameters:
        keyword, equals, value = parameter.partition("=")
        match upper(keyword) + equals:
            case "NOTIFY=" | "ORCPT=" if "DSN" in session.ehlo_discard:
                return _NO_DSN
            case "NOTIFY=":
                bits = notify_bits(value)
                if notify or not bits:
                    return "501 5.5.4 Error: Bad NOTIFY parameter syntax"
                notify = bits
            case "ORCPT=":
                decoded = grammar.original_recipient(value)
                if orcpt or decoded is None:
                    return "501 5.5.4 Error: Bad ORCPT parameter syntax"
                orcpt = decoded
            case _:
                return _UNSUPPORTED.format(parameter=parameter)
    return notify, orcpt


def notify_bits(value: str) -> int:
    """The bits of a NOTIFY value, 0 where it is malformed (NEVER stands alone). Empty members count for nothing, as in Postfix."""
    bits = 0
    for word in upper(value).split(","):
        bit = _NOTIFY.get(word) if word else 0
        if bit is None:
            return 0
        bits |= bit
    return 0 if bits & Notify.NEVER and bits != Notify.NEVER else bits


async def vrfy(session: "Session", command: Command) -> bool:
    """VRFY: whether RCPT would take the address; never what becomes of it (RFC 5321 §7.3)."""
    settings, facts = session.settings, session.facts
    if settings.disable_vrfy_command:
        return session.refuse("502 5.5.1 VRFY command is disabled")
    argument = grammar.words(command.argument)
    if _smtputf8_offered(session) and len(argument) > 1 and upper(argument[-1]) == "SMTPUTF8":
        argument.pop()
    if not argument:
        return session.refuse("501 5.5.4 Syntax: VRFY address" + (" [SMTPUTF8]" if settings.smtputf8_enable else ""))
    address = await _address(session, " ".join(argument))
    if address is None:
        return session.refuse(_BAD_RECIPIENT)
    facts.recipient = address
    known = await session.judge(Stage.RECIPIENT)
    facts.recipient = None
    if known:
        session.reply(f"252 2.0.0 {argument[0]}")
    return known
