"""Recipients of one site, as the delivery requests in which its agent gets them."""

from collections.abc import Sequence

from gatepost.mail.delivery import Reached, Report
from gatepost.mail.envelope import Envelope
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queued import QueuedRecipient
from gatepost.queue.destinations import Site
from gatepost.queue.results import BROKEN
from gatepost.queue.schedule import split
from gatepost.routing.port import AddressClass, Route

DISCARDED = Outcome(Class.OK, "2.0.0", "undeliverable postmaster notification discarded")
"""What becomes of mail to our own double-bounce address: notices that nobody can be told of, and what harvesters of addresses
send."""


def is_double_bounce(route: Route, double_bounce_sender: str) -> bool:
    """Whether that is who the mail is for (qmgr(8))."""
    return route.cls is AddressClass.LOCAL and route.recipient.rpartition("@")[0].lower() == double_bounce_sender.lower()


def unsent(recipient: QueuedRecipient, outcome: Outcome) -> Report:
    """The report of a recipient that goes to no transport."""
    return Report(recipient, outcome, reached=Reached.UNKNOWN, service="qmgr" if outcome is DISCARDED else "")


def at_most(envelope: Envelope, site: Site) -> int:
    """Recipients of one delivery; with VERP each has a sender of its own."""
    return 1 if envelope.verp else site.transport.limits.destination_recipient_limit


def requests(recipients: Sequence[QueuedRecipient], most: int) -> list[tuple[QueuedRecipient, ...]]:
    """`recipients` in requests. One whose last attempt broke off goes alone: whatever it is that breaks, its neighbours arrive."""
    broken: list[QueuedRecipient] = []
    sound: list[QueuedRecipient] = []
    for recipient in recipients:
        (broken if recipient.last is not None and recipient.last.text == BROKEN.text else sound).append(recipient)
    return [*split(sound, most), *split(broken, 1)]


def not_tried(recipients: Sequence[QueuedRecipient], outcome: Outcome, began: float) -> list[Report]:
    """Reports of recipients that a fault of our own kept from being tried."""
    return [Report(recipient, outcome, started=began, reached=Reached.UNKNOWN) for recipient in recipients]
