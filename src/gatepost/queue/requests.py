"""Recipients of one site, as the delivery requests in which its agent gets them."""

from collections.abc import Sequence

from gatepost.mail.delivery import Reached, Report
from gatepost.mail.envelope import Envelope
from gatepost.mail.outcome import Outcome
from gatepost.mail.queued import QueuedRecipient
from gatepost.queue.destinations import Site
from gatepost.queue.results import BROKEN
from gatepost.queue.schedule import split


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
