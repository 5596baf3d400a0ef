"""A mail transaction: what MAIL, RCPT and the content gathered, and the envelope that it makes (RFC 5321 §3.3)."""

from typing import Final

from msgspec import Struct

from gatepost.mail.envelope import Envelope, Recipient, TlsRequired
from gatepost.mail.queue_id import QueueId
from gatepost.policy.port import Action, Facts
from gatepost.proto.smtp.data import BdatReader
from gatepost.receive.port import Intake
from gatepost.receive.proxy_filter import Passage


class Sender(Struct, frozen=True):
    """MAIL and its parameters.

    - `size`: octets as declared, 0 where they were not (RFC 1870).
    - `encoding`: as in `Envelope`.
    - `ret`, `envid`: RFC 3461 §4.3-4.
    - `verp`: delimiters, empty where VERP was not asked for (VERP_README).
    - `requiretls`: RFC 8689.
    - `sasl_sender`: AUTH=, who submitted it first (RFC 4954 §5).
    """

    address: str
    size: int = 0
    encoding: str = ""
    ret: str = ""
    envid: str = ""
    smtputf8: bool = False
    verp: str = ""
    sasl_sender: str = ""
    requiretls: bool = False


class Forwarded(Struct):
    """What XFORWARD told of the client before us (XFORWARD_README). Empty: not told.

    `of_client`: more than IDENT and SOURCE was told, so that all of this goes for the real client's.
    `context`: `local` or `remote`, whose headers these are to be rewritten as.
    """

    name: str = "unknown"
    address: str = "unknown"
    port: str = ""
    proto: str = "unknown"
    helo: str = ""
    ident: str = ""
    context: str = ""
    of_client: bool = False

    @property
    def client(self) -> str:
        """`name[address]`, the name alone where the address is not known."""
        return self.name if self.address == "unknown" else f"{self.name}[{self.address}]"


class MailTransaction:
    """From MAIL until RSET or the end of the message. `queue_id` comes with the first recipient, `intake` with the content;
    `bdat` is there between the first chunk and the last. `passage`: its way through the before-queue filter, where the service has
    one; such a message has neither queue id nor intake."""

    __slots__ = ("bdat", "intake", "overshoot", "passage", "queue_id", "recipients", "sender")

    def __init__(self, sender: Sender, passage: Passage | None = None) -> None:
        self.sender = sender
        self.passage = passage
        self.recipients: list[Recipient] = []
        self.queue_id: QueueId | None = None
        self.intake: Intake | None = None
        self.bdat: BdatReader | None = None
        self.overshoot = 0

    @property
    def opened(self) -> bool:
        """Whether there is a place that the content can go to."""
        return self.queue_id is not None if self.passage is None else self.passage.opened

    def only_recipient(self) -> str | None:
        """The address of the recipient where there is a single one."""
        return self.recipients[0].address if len(self.recipients) == 1 else None

    def abort(self) -> None:
        """Forget the content."""
        intake, self.intake = self.intake, None
        if intake is not None:
            intake.abort()
        if self.passage is not None:
            self.passage.abort()


class Begin(Struct, frozen=True):
    """MAIL was taken: there is a transaction."""

    transaction: MailTransaction


class TakeRecipient(Struct, frozen=True):
    """RCPT was taken: the transaction has one recipient more."""

    recipient: Recipient


class End(Struct, frozen=True):
    """Sender, recipients and content are forgotten."""


END: Final = End()
Effect = Begin | TakeRecipient | End
"""What an answer does to the transaction."""


def recipient(address: str, orcpt: str, notify: int) -> Recipient:
    """A recipient as a transaction keeps it. `orcpt`: its original recipient, `type;address`. Usually that is the address over
    again: then it is made when the message is complete, for of a recipient a session keeps no more than came in."""
    return Recipient(address, "", "" if orcpt == _as_said(address) else orcpt, notify)


def _as_said(address: str) -> str:
    return f"rfc822;{address}"


_INET, _INET6 = "2", "10"


def as_client(facts: Facts, forwarded: Forwarded | None) -> Forwarded:
    """The client as those after us are to know it: the one that XFORWARD told of, else ours."""
    if forwarded is not None and forwarded.of_client:
        return forwarded
    return _as_forwarded(facts, forwarded.ident if forwarded else "")


def attributes(facts: Facts, forwarded: Forwarded | None, context: str, encoding: str) -> tuple[tuple[str, str], ...]:
    """The named attributes of Postfix's queue file, in its order. `context`: `local` or `remote` header rewriting."""
    logged = as_client(facts, forwarded)
    origin = logged.client if logged is forwarded else facts.client
    family = _INET6 if ":" in facts.client_address else _INET
    pairs = (
        ("rewrite_context", context),
        ("sasl_method", facts.sasl_method),
        ("sasl_username", facts.sasl_username),
        ("sasl_sender", facts.sasl_sender),
        ("encoding", encoding),
        ("log_ident", logged.ident),
        ("log_client_name", logged.name),
        ("log_client_address", f"IPv6:{logged.address}" if ":" in logged.address else logged.address),
        ("log_client_port", logged.port),
        ("log_message_origin", origin),
        ("log_helo_name", logged.helo),
        ("log_protocol_name", logged.proto),
        ("client_name", facts.client_name),
        ("reverse_client_name", facts.reverse_client_name),
        ("client_address", facts.client_address),
        ("client_port", facts.client_port),
        ("server_address", facts.server_address),
        ("server_port", facts.server_port),
        ("helo_name", facts.helo_name or ""),
        ("protocol_name", facts.protocol_name),
        ("client_address_type", family),
    )
    return tuple([pair for pair in pairs if pair[1]])


def _as_forwarded(facts: Facts, ident: str) -> Forwarded:
    return Forwarded(facts.client_name, facts.client_address, facts.client_port, facts.protocol_name, facts.helo_name or "", ident)


def envelope(
    sender: Sender,
    recipients: list[Recipient],
    actions: list[Action],
    attrs: tuple[tuple[str, str], ...],
    content_filter: str = "",
) -> Envelope:
    """The envelope of `recipients`, as recipient() made them, after what policy asked for (HOLD, FILTER, REDIRECT, BCC of
    access(5)); the last one of a kind counts.
    `content_filter`: the parameter, which FILTER overrides."""
    asked = {action.kind: action.value for action in actions}
    named = [Recipient(r.address, r.address, r.orcpt or _as_said(r.address), r.notify) for r in recipients]
    bcc = [Recipient(a.value, a.value, _as_said(a.value)) for a in actions if a.kind == "bcc"]
    return Envelope(
        sender=sender.address,
        recipients=(*named, *bcc),
        encoding=sender.encoding,
        ret=sender.ret,
        envid=sender.envid,
        smtputf8=sender.smtputf8,
        content_filter=asked.get("filter", content_filter),
        redirect=asked.get("redirect", ""),
        verp=sender.verp,
        hold="hold" in asked,
        attributes=attrs,
        tls_required=TlsRequired.YES if sender.requiretls else TlsRequired.BY_POLICY,
    )
