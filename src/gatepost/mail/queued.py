"""A message that waits in the queue, as those see it who work on it: the scheduler, delivery agents, notices."""

from msgspec import Struct

from gatepost.mail.content import Content
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import Outcome
from gatepost.mail.queue_id import QueueId


class QueuedRecipient(Struct, frozen=True):
    """`index`: the recipient's number in its message, from 0; with the queue id the key of its record. `last`: how the
    last of `attempts` ended, where there was one."""

    index: int
    recipient: Recipient
    attempts: int = 0
    last: Outcome | None = None


class ActiveMessage(Struct, frozen=True):
    """A message and those of its recipients that are due: what the scheduler works on. `envelope.recipients` is empty.
    `entered`: when it became active (clock seconds), for `delays=`. `warned`: a delay warning was sent; `traced`: so was the
    report that the submitter asked for. `expire`: an administrator wants it returned at the next failure (`postsuper -e`).
    `flushed`: somebody wants it tried now, whatever `defer_transports` says (`postqueue -f`)."""

    id: QueueId
    envelope: Envelope
    content: Content
    size: int
    recipients: tuple[QueuedRecipient, ...]
    entered: float = 0.0
    warned: bool = False
    traced: bool = False
    expire: bool = False
    flushed: bool = False
