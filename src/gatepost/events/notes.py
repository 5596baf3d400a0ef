"""Notes with fields: the commonest lines of the log that are no step of a message's way, as records.

A record says its `words` with its fields put in; a line is `severity: QUEUEID: words`, as that of a Note, which is for anything
rarer. The JSON log has the fields.
"""

from typing import ClassVar

from gatepost.events.records import Event
from gatepost.mail.reason import UNSAID, Reason


class NoteOfFields(Event, frozen=True):
    """Base of these records.

    - `words`: the line, `{field}` for the value of a field.
    - `severity`: as that of a Note.
    """

    words: ClassVar[str]
    severity: ClassVar[str] = "warning"


# Sessions


class ClientUnverified(NoteOfFields, frozen=True):
    """The name that an address has does not lead back to it."""

    words: ClassVar[str] = "{text}"
    text: str
    name: str
    address: str


class LimitExceeded(NoteOfFields, frozen=True):
    """A client has too many connections, or does something too often (anvil(8)). `listener`: the name of the service."""

    words: ClassVar[str] = "{what} exceeded: {count} from {client} for service {listener}"
    what: str
    count: int
    client: str
    listener: str


class LoginFailed(NoteOfFields, frozen=True):
    """A client is not who it says, or nobody can say. `method`: the mechanism, as given; `user`: who it said that it is."""

    words: ClassVar[str] = "{client}: SASL {method} authentication failed: {reason}, sasl_username={user}"
    client: str
    method: str
    reason: str
    user: str


class LoginAborted(NoteOfFields, frozen=True):
    """A client has cancelled its log-in."""

    words: ClassVar[str] = "{client}: SASL {method} authentication aborted"
    client: str
    method: str


class IllegalAddress(NoteOfFields, frozen=True):
    """`address`: the word that is none."""

    words: ClassVar[str] = "Illegal address syntax from {client} in {command} command: {address}"
    client: str
    command: str
    address: str


class NotSmtp(NoteOfFields, frozen=True):
    """A client is no SMTP client (smtpd_forbidden_commands)."""

    words: ClassVar[str] = "non-SMTP command from {client}: {line}"
    client: str
    line: str


class RequestTooLong(NoteOfFields, frozen=True):
    """A command was cut. `limit`: octets (line_length_limit); `start`: of the line."""

    words: ClassVar[str] = "{client}: request longer than {limit}: {start}..."
    client: str
    limit: int
    start: str


class CommandReplaced(NoteOfFields, frozen=True):
    """smtpd_command_filter made another command of one."""

    words: ClassVar[str] = '{client}: replacing command "{before}" with "{after}"'
    severity: ClassVar[str] = ""
    client: str
    before: str
    after: str


class ImproperPipelining(NoteOfFields, frozen=True):
    """A client did not wait for the reply to `command`. `sample`: what it sent already."""

    words: ClassVar[str] = "improper command pipelining after {command} from {client}: {sample}"
    severity: ClassVar[str] = ""
    command: str
    client: str
    sample: str


class KeywordsDiscarded(NoteOfFields, frozen=True):
    """EHLO keywords were not offered (smtpd_discard_ehlo_keywords)."""

    words: ClassVar[str] = "discarding EHLO keywords: {keywords}"
    severity: ClassVar[str] = ""
    keywords: str


class TlsEstablished(NoteOfFields, frozen=True):
    """`trust`: `Anonymous`, `Untrusted`, `Trusted` or `Verified`; `direction`: `from` a client, `to` a server; `session`: protocol
    and cipher in Postfix's words."""

    words: ClassVar[str] = "{trust} TLS connection established {direction} {peer}: {session}"
    severity: ClassVar[str] = ""
    trust: str
    direction: str
    peer: str
    session: str


class TlsFailed(NoteOfFields, frozen=True):
    """A handshake failed. `call`: `SSL_accept` or `SSL_connect`; `direction` as in TlsEstablished."""

    words: ClassVar[str] = "{call} error {direction} {peer}: {reason}"
    severity: ClassVar[str] = ""
    call: str
    direction: str
    peer: str
    reason: str


# Content


class HopcountExceeded(NoteOfFields, frozen=True):
    """A message has more Received headers than hopcount_limit."""

    words: ClassVar[str] = "message rejected: hopcount exceeded"
    queue_id: str = ""


class MessageTooLarge(NoteOfFields, frozen=True):
    """A message grew beyond message_size_limit."""

    words: ClassVar[str] = "queue file size limit exceeded"
    queue_id: str = ""


class ProxyAnswered(NoteOfFields, frozen=True):
    """The before-queue filter has answered a whole message (smtpd_proxy_filter). `verdict`: `accept` or `reject`; `text`: its
    reply; `where`, `context`: as in Judged."""

    words: ClassVar[str] = "proxy-{verdict}: {where}: {text}; {context}"
    severity: ClassVar[str] = ""
    verdict: str
    where: str
    text: str
    context: str


class CheckUnusable(NoteOfFields, frozen=True):
    """What a table says of a header or a body line cannot be carried out. `parameter`: `header_checks` and its kin."""

    words: ClassVar[str] = "{text}"
    parameter: str
    text: str


# The queue


class Expired(NoteOfFields, frozen=True):
    """A message was in the queue for too long, or long enough for an administrator (`status`: `expired`, `force-expired`)."""

    words: ClassVar[str] = "from=<{sender}>, status={status}, returned to sender"
    severity: ClassVar[str] = ""
    sender: str
    status: str
    queue_id: str = ""


class NoticeNotSent(NoteOfFields, frozen=True):
    """A notice about the message could not be queued, and is tried again."""

    words: ClassVar[str] = "notice not sent: {error}"
    error: str
    queue_id: str = ""


class PartitionFailed(NoteOfFields, frozen=True):
    """A part of the queue cannot be read or written."""

    words: ClassVar[str] = "queue partition {partition}: {error}"
    partition: int
    error: str


class TransportUnknown(NoteOfFields, frozen=True):
    """Something names a mail transport that master.cf does not have."""

    words: ClassVar[str] = "mail transport {transport} is not known"
    transport: str


# Deliveries


class HostFailed(NoteOfFields, frozen=True):
    """A host would not do, or not for now, and the next one has its turn. `why`: which host, at which stage, with what words."""

    words: ClassVar[str] = "{text}"
    severity: ClassVar[str] = ""
    text: str
    why: Reason = UNSAID
    queue_id: str = ""


class LineBroken(NoteOfFields, frozen=True):
    """A line was broken in two on its way out. `limit`: octets (smtp_line_length_limit)."""

    words: ClassVar[str] = "breaking line > {limit} bytes with <CR><LF>SPACE"
    severity: ClassVar[str] = ""
    limit: int
    queue_id: str = ""


class PassedOn(NoteOfFields, frozen=True):
    """local(8) has another transport deliver (mailbox_transport, fallback_transport). `why`: the parameter, table and key."""

    words: ClassVar[str] = "passing <{recipient}> to transport={transport}"
    severity: ClassVar[str] = ""
    recipient: str
    transport: str
    why: Reason = UNSAID
    queue_id: str = ""


class LocalAliasLoop(NoteOfFields, frozen=True):
    """An alias leads back to itself."""

    words: ClassVar[str] = "alias database loop for {alias}"
    alias: str


class AccountUnknown(NoteOfFields, frozen=True):
    """The database of users does not answer. `user`: a name or a number."""

    words: ClassVar[str] = "error looking up passwd info for {user}: {error}"
    user: str
    error: str
