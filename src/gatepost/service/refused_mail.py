"""Mail that cleanup refuses when nobody is there any more to be told at once: it goes back to its sender."""

from msgspec.structs import replace

from gatepost.events.records import Clock, Delivered, Emit
from gatepost.mail.outcome import Outcome
from gatepost.mail.queued import ActiveMessage, QueuedRecipient
from gatepost.queue.port import Failure, NewMessage, Notifier


async def return_to_sender(notices: Notifier, message: NewMessage, outcome: Outcome, *, clock: Clock, emit: Emit) -> None:
    """Return what cleanup refused (Admitted) to its sender, with cleanup's reason. Raises QueueUnavailable."""
    envelope = message.envelope
    why = replace(outcome, text=outcome.text.removeprefix("Error: "))  # which is for replies
    age = max(clock() - message.id.arrival, 0.0)
    delays = (age, 0.0, 0.0, 0.0)
    for one in envelope.recipients:
        emit(
            Delivered(
                "cleanup", str(message.id), one.address, one.original, "none", age, delays, why.enhanced, "bounced", why.text
            )
        )  # fmt: skip
    failed = [Failure(QueuedRecipient(number, one), why, "failed") for number, one in enumerate(envelope.recipients)]
    told_of = ActiveMessage(message.id, replace(envelope, recipients=()), message.content, message.size, ())
    await notices.bounced(told_of, failed)
