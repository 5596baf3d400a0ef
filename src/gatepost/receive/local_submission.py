"""What sendmail(1) and pickup(8) make of a local submission: recipients out of headers, content in wire form, an envelope."""

from collections.abc import Iterable

from gatepost.mail import header_address
from gatepost.mail.envelope import Envelope, Trace
from gatepost.mail.header import Header
from gatepost.receive.maildrop import Submission

_RECIPIENTS = frozenset({"to", "cc", "bcc"})
_RESENT_RECIPIENTS = frozenset({"resent-to", "resent-cc", "resent-bcc"})
_RESENT = frozenset({"resent-date", "resent-from", "resent-message-id", "resent-reply-to", "resent-sender"}) | _RESENT_RECIPIENTS

_TRACES = {"verify": Trace.VERIFY, "deliver": Trace.DELIVERY}


def addresses(text: str) -> list[str]:
    """The addresses that `text` names, in internal form; text without any names the empty one."""
    found = [header_address.internal(token.parts) for token in header_address.addresses(header_address.parse(text))]
    return found or [""]


def header_recipients(headers: Iterable[Header]) -> list[str]:
    """To whom the headers send a message (sendmail -t): To, Cc and Bcc, or in a resent message their Resent- kin
    (RFC 5322 §3.6.6)."""
    fields = list(headers)
    wanted = _RESENT_RECIPIENTS if any(field.key in _RESENT for field in fields) else _RECIPIENTS
    found: list[str] = []
    for field in fields:
        if field.key in wanted:
            tokens = header_address.parse(field.text[1])
            found += [header_address.internal(token.parts) for token in header_address.addresses(tokens)]
    return [address for address in found if address]


def envelope_of(submission: Submission, *, content_filter: str = "") -> Envelope:
    """The envelope of a submission, as pickup(8) hands it to cleanup."""
    attributes = [("rewrite_context", "remote" if submission.gateway else "local")]
    if trace := _TRACES.get(submission.trace):
        attributes.append(("trace_flags", str(int(trace))))
    return Envelope(
        sender=submission.sender,
        recipients=submission.recipients,
        encoding=submission.encoding,
        ret=submission.ret,
        envid=submission.envid,
        smtputf8=submission.smtputf8,
        content_filter=content_filter,
        verp=submission.verp,
        sender_fullname=submission.fullname,
        attributes=tuple(attributes),
    )
