"""NOTIFY of RCPT: when a recipient's sender wants to hear (RFC 3461 §4.1)."""

from typing import Final

from gatepost.mail.ascii_text import upper
from gatepost.mail.envelope import Notify

WORDS: Final = {"NEVER": Notify.NEVER, "SUCCESS": Notify.SUCCESS, "FAILURE": Notify.FAILURE, "DELAY": Notify.DELAY}


def notify_bits(value: str) -> int:
    """The bits of a NOTIFY value, 0 where it is malformed (NEVER stands alone). Empty members count for nothing, as in Postfix."""
    bits = 0
    for word in upper(value).split(","):
        bit = WORDS.get(word) if word else 0
        if bit is None:
            return 0
        bits |= bit
    return 0 if bits & Notify.NEVER and bits != Notify.NEVER else bits
