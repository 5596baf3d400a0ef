"""The state of one delivery attempt: who is left, and what is to be reported of the others."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from gatepost.deliver.outgoing import Outgoing
from gatepost.deliver.requiretls import Insistence
from gatepost.mail.delivery import DeliveryRequest, Reached, Report
from gatepost.mail.envelope import TlsRequired
from gatepost.mail.outcome import Outcome, deferred
from gatepost.mail.queued import QueuedRecipient
from gatepost.mail.reason import Reason
from gatepost.tlsrpt.outcome import REPORT

UNANSWERED = deferred("server unavailable or unable to receive mail", "4.3.0", Reason("connect", reason="no host was left to try"))


class Attempt:
    """The state of one request.

    `left`: recipients that nothing has been decided over.
    `outside`: the request as next hops see it, once addresses have been replaced for them (smtp_generic_maps).
    `insistence`: what REQUIRETLS comes to at the host that is tried, None where the sender has not asked for it.
    `soft`: what a host said of recipients that another host may see differently.
    """

    __slots__ = ("connected", "insistence", "left", "outside", "reports", "request", "soft", "started")

    def __init__(self, request: DeliveryRequest, now: float) -> None:
        self.request = request
        self.outside: DeliveryRequest | None = None
        self.started = now
        self.connected = 0.0
        self.insistence: Insistence | None = None
        self.left: Sequence[QueuedRecipient] = request.recipients
        self.soft: dict[int, Report] = {}
        self.reports: list[Report] = []

    @property
    def queue_id(self) -> str:
        return str(self.request.message.id)

    @property
    def sender(self) -> str:
        return self.request.message.envelope.sender

    @property
    def tls_required(self) -> TlsRequired:
        """What the sender says of TLS."""
        return self.request.message.envelope.tls_required

    @property
    def reports_tls(self) -> bool:
        """Whether the message is a report about TLS, of whose own sessions no report tells."""
        return bool(self.request.message.envelope.attribute(REPORT))

    @property
    def waited(self) -> float:
        """Seconds that the message had been in the queue when it became due for this attempt."""
        message = self.request.message
        return message.entered - message.id.arrival

    def remaining(self) -> DeliveryRequest:
        """The request for those who are left."""
        request = self.request
        return request if len(self.left) == len(request.recipients) else replace(request, recipients=tuple(self.left))

    async def addressed(self, outgoing: Outgoing) -> DeliveryRequest:
        """The same as the outside is to see it, the recipients in the order of `left`. Raises LookupFailure."""
        if not outgoing.addresses:
            return self.remaining()
        if self.outside is None:
            self.outside = await outgoing.addressed(self.request)
        known = {queued.index: queued for queued in self.outside.recipients}
        return replace(self.outside, recipients=tuple([known[queued.index] for queued in self.left]))

    def refuse(self, refused: Mapping[int, Outcome], relay: str) -> None:
        """These recipients, by index, cannot be named to any server; the others are left."""
        connected = self.connected or self.started
        self.reports += [
            Report(queued, refused[queued.index], relay, self.started, connected) for queued in self.left if queued.index in refused
        ]
        self.left = tuple(queued for queued in self.left if queued.index not in refused)

    def finish(self, outcome: Outcome | None, relay: str = "none", reached: Reached = Reached.YES) -> None:
        """`outcome` is that of all who are left; None: what was said of each of them before."""
        for queued in self.left:
            report = Report(queued, outcome or UNANSWERED, relay, self.started, self.connected or self.started, reached=reached)
            self.reports.append(report if outcome else self.soft.get(queued.index, report))
        self.left = ()
