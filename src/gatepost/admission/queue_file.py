"""How large the queue file of a message would be in Postfix: `message_size_limit` includes the envelope (postconf(5)).

A queue file is a list of records, each a type, a length and a text (postcat(1) shows them). A line of the content takes as much as
it does with its CRLF, so only the records of the envelope must be counted.
"""

from typing import Final

from gatepost.mail.envelope import Envelope, Recipient

_MARKS: Final = 6  # start and end of the content, end of the message: no text
_SIZES: Final = 97  # message_size: six numbers of fifteen columns
_TIMES: Final = 19 + 24  # arrival time, create_time
_LOG_IDENT: Final = len("log_ident=") + 2
_LONGEST: Final = 8192  # octets that no envelope's fixed part, and no recipient, exceeds


def may_exceed(limit: int, content: int, recipients: int) -> bool:
    """Whether the envelope matters at all, for a message of `content` octets. A limit of 0 is none."""
    return 0 < limit < content + _LONGEST * (1 + recipients)


def envelope_octets(queue_id: str, envelope: Envelope) -> int:
    """Octets of the records around the content."""
    octets = _MARKS + _SIZES + _TIMES + _LOG_IDENT + len(queue_id) + record_octets(envelope.sender)
    octets += sum(_attribute(name, value) for name, value in envelope.attributes)
    octets += sum(map(_recipient, envelope.recipients))
    asked = (("envelope_id", envelope.envid), ("ret_flags", envelope.ret and "1"))
    octets += sum(_attribute(name, value) for name, value in asked if value)
    extra = (envelope.content_filter, envelope.redirect, envelope.verp, envelope.sender_fullname)
    return octets + sum(map(record_octets, filter(None, extra)))


def _recipient(recipient: Recipient) -> int:
    octets = record_octets(recipient.address) + record_octets(recipient.original or recipient.address)
    if recipient.orcpt:
        octets += _attribute("dsn_orig_rcpt", recipient.orcpt)
    if recipient.notify:
        octets += _attribute("notify_flags", str(recipient.notify))
    return octets


def _attribute(name: str, value: str) -> int:
    return record_octets(f"{name}={value}")


def record_octets(text: str) -> int:
    """Octets of a record: its type, its length, an octet for each seven bits of that, and its text."""
    size = len(text.encode("utf-8", "surrogateescape"))
    return 2 + size + (size > 127) + (size > 16383)
