"""The texts of greylisting, with postgrey's variables: one pass, so that what a client sent is never expanded again."""

import re
from collections.abc import Mapping

from gatepost import __version__
from gatepost.mail.date import mail_date
from gatepost.policy.greylist.settings import GreylistSettings

_WITHOUT_TEXT = "Greylisted"  # a code without a text would let everybody in (access(5))
_VARIABLE = re.compile("%([a-z])")


def put_off(settings: GreylistSettings, left: int, recipient: str) -> str:
    """The action for an attempt that has to wait: `%s` seconds that are left, `%r` the recipient's domain."""
    domain = recipient.rpartition("@")[2] if "@" in recipient else ""
    text = _expanded(settings.greylist_text, {"s": str(left), "r": domain}).strip()
    return f"{settings.greylist_action} {text or _WITHOUT_TEXT}"


def header(settings: GreylistSettings, waited: int, now: float) -> str:
    """The header for a message that had to wait: `%t` seconds, `%v` our version, `%h` our name, `%d` the date. Empty for none."""
    values = {"t": str(waited), "v": __version__, "h": settings.greylist_hostname, "d": mail_date(now)}
    return _expanded(settings.greylist_header, values)


def _expanded(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)
