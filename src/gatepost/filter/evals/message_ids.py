"""Functions of HeaderEval about Message-Id and Subject that Debian's rules do not use, but others may."""

import re
import time
from collections.abc import Sequence
from typing import Final

from gatepost.filter.evals.forged_received import gated_through_received_hdr_remover
from gatepost.filter.evals.message_dates import received_dates
from gatepost.filter.port import Eval, Examined

_MONTH: Final = 365 * 86400 / 12
_UNIQUE: Final = re.compile(
    rb"\s(?:\(\d{4,}\)|\[[\w-]{5,}\]|#\d{4,}|[a-z]{0,3}\d{4,}[a-z]{0,3}|[a-z]*\d[a-z\d]{4,}|\.[a-z]{5,}|:[a-z]{5,})\s*\Z",
    re.IGNORECASE,
)
_LONGEST: Final = 998


def check_for_unique_subject_id(mail: Examined, _: Sequence[str]) -> int:
    """Subject ends in something that is of this one message."""
    return int(_UNIQUE.search((mail.headers.get("Subject") or b"").strip()[-_LONGEST:]) is not None)


def check_messageid_not_usable(mail: Examined, _: Sequence[str]) -> int:
    """Message-Id may be of a list, and says nothing of the program that wrote the message."""
    if any(mail.headers.get(name) is not None for name in ("List-Unsubscribe", "X-BeenThere", "List-Post")):
        return 1
    return gated_through_received_hdr_remover(mail, ())


def received_within_months(mail: Examined, arguments: Sequence[str]) -> int:
    """The message came so many months ago: from the first number to the second one."""
    least, most = arguments
    dates = received_dates(mail)
    if not dates:
        return 0
    months = ((mail.session.received_at or time.time()) - dates[0]) / _MONTH
    return int((least == "undef" or months >= float(least)) and (most == "undef" or months < float(most)))


EVALS: Final[dict[str, Eval]] = {
    function.__name__: function for function in (check_for_unique_subject_id, check_messageid_not_usable, received_within_months)
}
