"""What header names say: who stands in them, and which are special (RFC 5322 §3.6, cleanup(8), generic(5))."""

from typing import Final


class Role:
    """Bits. SENDER and RECIPIENT: addresses, rewritten as such. RESENT: makes the message a resent one. DESTINATION: says to whom
    it goes, so that no `undisclosed_recipients_header` is needed. ADDRESSED: has addresses, of either sort."""

    NONE: Final = 0
    SENDER: Final = 1
    RECIPIENT: Final = 2
    RESENT: Final = 4
    DESTINATION: Final = 8
    ADDRESSED: Final = SENDER | RECIPIENT


ROLES = {
    "apparently-to": Role.RECIPIENT,
    "bcc": Role.RECIPIENT,
    "cc": Role.RECIPIENT | Role.DESTINATION,
    "disposition-notification-to": Role.SENDER,
    "errors-to": Role.SENDER,
    "from": Role.SENDER,
    "mail-followup-to": Role.SENDER,
    "reply-to": Role.SENDER,
    "resent-bcc": Role.RECIPIENT | Role.RESENT,
    "resent-cc": Role.RECIPIENT | Role.RESENT | Role.DESTINATION,
    "resent-date": Role.RESENT,
    "resent-from": Role.SENDER | Role.RESENT,
    "resent-message-id": Role.RESENT,
    "resent-reply-to": Role.RECIPIENT | Role.RESENT,
    "resent-sender": Role.SENDER | Role.RESENT,
    "resent-to": Role.RECIPIENT | Role.RESENT | Role.DESTINATION,
    "return-path": Role.SENDER,
    "return-receipt-to": Role.SENDER,
    "sender": Role.SENDER,
    "to": Role.RECIPIENT | Role.DESTINATION,
}

MIME = frozenset(
    ("content-description", "content-disposition", "content-id", "content-transfer-encoding", "content-type", "mime-version")
)
"""Headers about MIME, which mime_header_checks judge wherever they stand (header_checks(5))."""
