"""discard(8): takes every message and keeps none; the next hop is the text that the log gives as the reason."""

from collections.abc import Sequence

from gatepost.events.records import Clock
from gatepost.mail.delivery import DeliveryRequest, Report
from gatepost.mail.outcome import sent


class DiscardAgent:
    """The agent of a service whose program is `discard`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def deliver(self, request: DeliveryRequest) -> Sequence[Report]:
        now = self._clock()
        outcome = sent(request.nexthop or "discarded")
        return [Report(recipient, outcome, "none", now, now) for recipient in request.recipients]

    async def close(self) -> None:
        return None
