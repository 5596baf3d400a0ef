"""error(8) and retry: a next hop that is the answer. `error:5.1.6 User has moved` bounces every recipient with that text,
`retry:4.3.2 ...` defers it; without an enhanced status code of the right class, 5.0.0 and 4.0.0 stand in."""

import re
from collections.abc import Sequence

from gatepost.events.records import Clock
from gatepost.mail.delivery import DeliveryRequest, Report
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.reason import because

_DSN_TEXT = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\s+(.*)", re.DOTALL | re.ASCII)


class ErrorAgent:
    """The agent of a service whose program is `error`: the class of outcome is fixed, the text is the next hop."""

    def __init__(self, cls: Class, clock: Clock) -> None:
        self._cls = cls
        self._clock = clock

    async def deliver(self, request: DeliveryRequest) -> Sequence[Report]:
        now = self._clock()
        outcome = outcome_of(request.nexthop, self._cls)
        return [Report(recipient, outcome, "none", now, now) for recipient in request.recipients]

    async def close(self) -> None:
        return None


def outcome_of(text: str, cls: Class) -> Outcome:
    """`text` split into enhanced status code and words; a code of another class is moved into `cls` (RFC 3463 §2)."""
    match = _DSN_TEXT.match(text)
    code, words = match.groups() if match else (f"{cls.value}.0.0", text)
    if code[0] != str(cls.value):
        code = f"{cls.value}{code[1:]}"
    return Outcome(cls, code, words, why=because("error", reason=text), diagnostic=f"X-Postfix; {words}", origin="error")
