"""A message as it is handed to one SMTP or LMTP server, by what the server offers: its commands, the form of its content, and that
content on the wire."""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from gatepost.mail.address import external, is_octets, to_bytes
from gatepost.mail.content import Content, MemoryContent
from gatepost.mail.delivery import DeliveryRequest
from gatepost.mail.envelope import TlsRequired
from gatepost.mail.outcome import Outcome, bounced
from gatepost.mail.queued import QueuedRecipient
from gatepost.mail.reason import because
from gatepost.proto.smtp.client import ClientStage, Transaction
from gatepost.proto.smtp.client_commands import Capabilities, MailParameters, mail_from, rcpt_to, xforward
from gatepost.proto.smtp.dot_stuffing import Encoder, encoded

HEADER_LIMIT = 102400
"""Octets searched for the end of the header (header_size_limit)."""

_LINE_END, _NO_TEXT = (
    bounced(text, "5.1.3", because("envelope", reason=text))
    for text in ("line end in an envelope address", "an envelope address is not text")
)


class Unsendable(Exception):
    """The server cannot take this message; `outcome` says why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class TooLarge(Unsendable):
    """It is larger than the server offered to take in its answer to EHLO (RFC 1870 §6.1)."""


class HandoverOptions(Struct, frozen=True):
    """How messages are handed over.

    `quote`: addresses are quoted where they must be (smtp_quote_rfc821_envelope).
    `line_limit`: octets after which a line is broken, 0 for none (smtp_line_length_limit).
    `forward`: XFORWARD is sent (smtp_send_xforward_command).
    `dummy_auth`: AUTH=<> is sent (smtp_send_dummy_mail_auth).
    `decides`: the command whose reply says whether an address is good that is only asked for (smtp_address_verify_target).
    `requiretls`: REQUIRETLS is passed on (requiretls_enable).
    `convert`: MIME is converted to 7 bit for servers without 8BITMIME (not disable_mime_output_conversion).
    """

    quote: bool = True
    line_limit: int = 998
    forward: bool = False
    dummy_auth: bool = False
    decides: ClientStage = ClientStage.RCPT
    convert: bool = True
    requiretls: bool = False


class Handover(Struct, frozen=True):
    """What is sent: the `transaction`; whether its content has to be in 7 bit; and the `encoder` that puts it into wire form, which
    knows afterwards whether lines had to be broken."""

    transaction: Transaction
    to_seven_bit: bool
    encoder: Encoder

    def wire(self, content: Content) -> Iterable[bytes]:
        """The content in wire form, made as it is sent."""
        if isinstance(content, MemoryContent):
            return (self.encoder.encode(content.data, plain=content.plain) + self.encoder.finish(),)
        return encoded(content.chunks(), self.encoder, plain=content.plain)


def prepare(
    request: DeliveryRequest,
    recipients: Sequence[QueuedRecipient],
    offered: Capabilities,
    options: HandoverOptions,
    label: str,
    *,
    secure: bool = False,
) -> Handover:
    """The message of `request` for `recipients`. `offered`: by the server, `label`: its name for texts; `secure`: there is TLS.
    Raises Unsendable."""
    message = request.message
    envelope = message.envelope
    if envelope.smtputf8 and "SMTPUTF8" not in offered.keywords:
        _require_ascii(request, recipients, label)
    limit = offered.size_limit
    if limit and message.size > limit:
        text = f"message size {message.size} exceeds size limit {limit} of server {label}"
        raise TooLarge(bounced(text, "5.3.4", because("SIZE", label, reason=text)))
    convert = options.convert and "8BITMIME" not in offered.keywords and envelope.encoding != "7bit"
    parameters = MailParameters(
        0 if convert else message.size, envelope.encoding, envelope.envid, envelope.ret, envelope.smtputf8, options.dummy_auth,
        secure and options.requiretls and envelope.tls_required is TlsRequired.YES,
    )  # fmt: skip
    written: Callable[[str], str] = external if options.quote else str
    transaction = Transaction(
        mail_from(to_bytes(written(envelope.sender)), parameters, offered),
        [rcpt_to(to_bytes(written(r.address)), r.orcpt or _own_orcpt(r.original), r.notify, offered)
         for r in (queued.recipient for queued in recipients)],
        _forwarded(request, offered) if options.forward and "XFORWARD" in offered.keywords else (),
        probe=options.decides if request.probe else None,
    )  # fmt: skip
    if transaction.mail.count(b"\n") != 1 or transaction.mail.count(b"\r") != 1:
        raise Unsendable(_LINE_END)
    return Handover(transaction, convert, Encoder(options.line_limit))


def unnameable(recipients: Sequence[QueuedRecipient]) -> dict[int, Outcome]:
    """Why recipients cannot be named in a command, by their index; nothing for the others. An address must not end its line and
    begin a command of its own (RFC 5321 §4.1.2 has no line ends in quoted strings)."""
    refused: dict[int, Outcome] = {}
    for queued in recipients:
        address = queued.recipient.address
        if "\n" in address or "\r" in address:
            refused[queued.index] = _LINE_END
        elif not (address.isascii() or is_octets(address)):
            refused[queued.index] = _NO_TEXT
    return refused


def _own_orcpt(original: str) -> str:
    """ORCPT where the client gave none: the address as it came (RFC 3461 §5.2.1)."""
    return f"rfc822;{external(original)}" if original else ""


def _require_ascii(request: DeliveryRequest, recipients: Sequence[QueuedRecipient], label: str) -> None:
    """Raise Unsendable where header or envelope need SMTPUTF8 (RFC 6531 §3.2)."""
    head = request.message.content.head(HEADER_LIMIT).partition(b"\r\n\r\n")[0]
    addresses = (request.message.envelope.sender, *(queued.recipient.address for queued in recipients))
    if not (head.isascii() and all(map(str.isascii, addresses))):
        text = f"SMTPUTF8 is required, but was not offered by host {label}"
        raise Unsendable(bounced(text, "5.6.7", because("SMTPUTF8", label, reason=text)))


def _forwarded(request: DeliveryRequest, offered: Capabilities) -> tuple[bytes, ...]:
    """XFORWARD commands: who the message came from (XFORWARD_README)."""
    attribute = request.message.envelope.attribute
    values = {
        "NAME": attribute("log_client_name"),
        "ADDR": attribute("log_client_address"),
        "PORT": attribute("log_client_port"),
        "PROTO": attribute("log_protocol_name"),
        "HELO": attribute("log_helo_name"),
        "IDENT": attribute("log_ident") or str(request.message.id),
        "SOURCE": "LOCAL" if attribute("rewrite_context") == "local" else "REMOTE",
    }
    return tuple(xforward(values, offered))
