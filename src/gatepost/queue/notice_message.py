"""A notice as a message: multipart/report in Postfix's form (RFC 3462, 3464, 6533; bounce(8)).

Parts: words for people, a delivery status for programs, and the original or its header.
"""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from gatepost.mail.address import external, from_bytes, to_bytes
from gatepost.mail.ascii_text import SPACE
from gatepost.mail.content import Content
from gatepost.mail.date import mail_date
from gatepost.mail.envelope import TlsRequired
from gatepost.mail.queued import ActiveMessage
from gatepost.queue.port import Failure

LINE_LENGTH = 79
"""Octets to a folded line; what follows the first is indented by four."""


class Notice(Struct, frozen=True):
    """What a notice is made of. `words`: expanded text of the template, empty in copies for the postmaster. `original`: how
    the third part is called. `encoding`: `8bit`, `7bit` or empty, not known. `threaded`: give In-Reply-To and References. `now`:
    clock seconds. `via`: say which relay was asked."""

    message: ActiveMessage
    failures: Sequence[Failure]
    recipient: str
    sender: str
    subject: str
    charset: str
    words: str
    original: str
    headers_only: bool
    now: float
    encoding: str = "8bit"
    postmaster: bool = False
    threaded: bool = False
    via: bool = False


class MailSystem(Struct, frozen=True):
    """Who reports: `hostname` and `name` are myhostname and mail_name; `lifetime`, seconds, is how long mail is retried."""

    hostname: str
    name: str
    lifetime: float


def compose(notice: Notice, system: MailSystem) -> bytes:
    """The content of the notice, CRLF line ends, without Received and Message-Id. Raises OSError where the original cannot
    be read."""
    boundary = f"{notice.message.id}.{int(notice.now)}/{system.hostname}"
    encoding = ("Content-Transfer-Encoding: 8bit",) if notice.encoding == "8bit" else ()
    head = _head(notice, boundary)
    report = [*_first_part(notice, boundary, encoding), *_status_part(notice, system, boundary, encoding)]
    report += _third_head(notice, system, boundary, encoding)
    lines = [*head, "", "This is a MIME-encapsulated message.", "", *report]
    text = "\r\n".join(lines) + "\r\n"
    original = _original(notice.message.content, headers_only=notice.headers_only)
    return b"".join((to_bytes(text), original, b"\r\n--", boundary.encode(), b"--\r\n"))


def _head(notice: Notice, boundary: str) -> Iterator[str]:
    yield f"Date: {mail_date(notice.now)}"
    yield f"From: {notice.sender}"
    yield f"Subject: {notice.subject}"
    yield f"To: {external(notice.recipient)}"
    if notice.threaded:
        yield from _thread(notice.message)
    if notice.message.envelope.tls_required is TlsRequired.NO:
        yield "TLS-Required: no"
    yield f"Auto-Submitted: {'auto-generated' if notice.postmaster else 'auto-replied'}"
    yield "MIME-Version: 1.0"
    yield "Content-Type: multipart/report; report-type=delivery-status;"
    yield f'\tboundary="{boundary}"'
    if notice.encoding:
        yield f"Content-Transfer-Encoding: {notice.encoding}"


def _first_part(notice: Notice, boundary: str, encoding: Sequence[str]) -> Iterator[str]:
    yield f"--{boundary}"
    yield "Content-Description: Notification"
    yield f"Content-Type: text/plain; charset={notice.charset}"
    yield from encoding
    yield ""
    yield from notice.words.removesuffix("\n").split("\n") if notice.words else ()
    for failure in notice.failures:
        recipient = failure.recipient.recipient
        expanded = recipient.original and recipient.original != recipient.address
        source = f" (expanded from <{external(recipient.original)}>)" if expanded else ""
        yield ""
        yield from wrap(f"<{external(recipient.address)}>{source}: {_reason(notice, failure)}")
    yield ""


def _status_part(notice: Notice, system: MailSystem, boundary: str, encoding: Sequence[str]) -> Iterator[str]:
    """RFC 3464 §2; what is about SMTPUTF8 mail is a global-delivery-status (RFC 6533 §4)."""
    envelope = notice.message.envelope
    mark = system.name.replace(" ", "-")
    yield f"--{boundary}"
    yield "Content-Description: Delivery report"
    yield f"Content-Type: message/{'global-' if envelope.smtputf8 else ''}delivery-status"
    yield from encoding if envelope.smtputf8 else ()
    yield ""
    yield f"Reporting-MTA: dns; {system.hostname}"
    if envelope.envid:
        yield f"Original-Envelope-Id: {envelope.envid}"
    yield f"X-{mark}-Queue-ID: {notice.message.id}"
    yield f"X-{mark}-Sender: {_typed(_sender(notice.message, system))}"
    yield f"Arrival-Date: {mail_date(notice.message.id.arrival)}"
    for failure in notice.failures:
        yield ""
        yield from _recipient(notice, failure, mark)
        if failure.action == "delayed" and not notice.via:  # a report of what was asked for promises nothing
            yield f"Will-Retry-Until: {mail_date(notice.message.id.arrival + system.lifetime)}"
    yield ""


def _recipient(notice: Notice, failure: Failure, mark: str) -> Iterator[str]:
    """RFC 3464 §2.3."""
    recipient, outcome = failure.recipient.recipient, failure.outcome
    original = recipient.orcpt or f"rfc822;{external(recipient.original or recipient.address)}"
    yield f"Final-Recipient: {_typed(recipient.address)}"
    yield f"Original-Recipient: {_one_line(original)}"
    yield f"Action: {failure.action}"
    yield f"Status: {outcome.enhanced}"
    if outcome.remote_mta:
        yield f"Remote-MTA: {_one_line(outcome.remote_mta)}"
    yield from wrap(f"Diagnostic-Code: {outcome.diagnostic or f'X-{mark}; {_reason(notice, failure)}'}")


def _third_head(notice: Notice, system: MailSystem, boundary: str, encoding: Sequence[str]) -> Iterator[str]:
    kind = (("message/rfc822", "text/rfc822-headers"), ("message/global", "message/global-headers"))
    yield f"--{boundary}"
    yield f"Content-Description: {notice.original}{' Headers' if notice.headers_only else ''}"
    yield f"Content-Type: {kind[notice.message.envelope.smtputf8][notice.headers_only]}"
    yield from encoding
    yield ""
    yield f"Return-Path: <{external(_sender(notice.message, system))}>"


def _sender(message: ActiveMessage, system: MailSystem) -> str:
    """The original's sender; one must be named, even where there is none."""
    return message.envelope.sender or f"MAILER-DAEMON@{system.hostname}"


def _typed(address: str) -> str:
    """An address with its type (RFC 3464 §2.1.2, RFC 6533 §3)."""
    kind = "rfc822" if address.isascii() else "utf-8"
    return f"{kind}; {external(address)}"


def _reason(notice: Notice, failure: Failure) -> str:
    text = failure.outcome.text
    return f"delivery via {failure.relay}: {text}" if notice.via and failure.relay != "none" else text


def _one_line(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() or "\udc80" <= c <= "\udcff" else "?" for c in text)


def wrap(text: str) -> Iterator[str]:
    """`text` folded between words into lines of less than LINE_LENGTH octets, as long as words allow; no line is empty.
    What is not printable becomes `?`, so that no reply writes a header of its own."""
    words = re.findall(r"[ \t]*[^ \t]+", _one_line(text.strip(SPACE)))
    line, size, indent = "", 0, ""
    for word in words:
        length = len(to_bytes(word))
        if line and size + length > LINE_LENGTH:
            yield line
            indent = "    "
            word = word.lstrip(" \t")
            line, size = indent + word, len(indent) + len(to_bytes(word))
        else:
            line, size = line + word, size + length
    if line:
        yield line


_HEADER_LINE = re.compile(rb"[!-9;-~]+[ \t]*:|[ \t]")


HEADER_LIMIT = 1_048_576
"""Octets of an original's header that a notice can carry."""


def header_of(content: Content) -> bytes:
    """The header lines of `content`: whole lines, no more than HEADER_LIMIT octets."""
    head = content.head(HEADER_LIMIT)
    kept = 0
    while match := _HEADER_LINE.match(head, kept):
        end = head.find(b"\n", match.end()) + 1
        if not end:
            return head if len(head) < HEADER_LIMIT else head[:kept]
        kept = end
    return head[:kept]


def _original(content: Content, *, headers_only: bool) -> bytes:
    data = header_of(content) if headers_only else content.read()
    return data if not data or data.endswith(b"\n") else data + b"\r\n"


_MESSAGE_ID = re.compile(rb"(?im)^message-id[ \t]*:\s*(<[^>\r\n]*>)")


def _thread(message: ActiveMessage) -> Iterator[str]:
    """RFC 5322 §3.6.4: the notice answers the original."""
    if found := _MESSAGE_ID.search(header_of(message.content)):
        identity = from_bytes(found[1])
        yield f"References: {identity}"
        yield f"In-Reply-To: {identity}"
