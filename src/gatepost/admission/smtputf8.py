"""Mail whose source says nothing of SMTPUTF8: the need is found out from the message (smtputf8_autodetect_classes)."""

from collections.abc import Sequence

from gatepost.mail.ascii_text import elements
from gatepost.mail.envelope import Recipient

_CLASSES = {"sendmail": "pickup", "smtpd": "smtpd", "forward": "local", "bounce": "bounce", "notify": "notify"}
"""Classes of mail, and who takes their mail in; mail of the classes `qmqpd` and `verify` does not come here."""


def detecting(classes: str, *, enabled: bool) -> frozenset[str]:
    """Who takes in mail whose need is found out. `enabled`: smtputf8_enable."""
    if not enabled:
        return frozenset()
    names = elements(classes.lower())
    return frozenset(_CLASSES.values()) if "all" in names else frozenset(_CLASSES[name] for name in names if name in _CLASSES)


def is_needed(sender: str, recipients: Sequence[Recipient], head: bytes) -> bool:
    """Whether an address or the header section `head` is beyond ASCII (RFC 6531 §3.2), and UTF-8: octets of any other kind are not
    what SMTPUTF8 is for."""
    if not head.isascii() and _is_utf8(head):
        return True
    return any(not one.isascii() and _is_text(one) for one in (sender, *(recipient.address for recipient in recipients)))


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_text(address: str) -> bool:
    try:
        address.encode()
    except UnicodeEncodeError:
        return False
    return True
