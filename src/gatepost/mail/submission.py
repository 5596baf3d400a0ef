"""How a part that makes a message itself sends it the same way in as any other, and how that fails."""

from typing import Protocol

from gatepost.mail.content import Content
from gatepost.mail.envelope import Envelope
from gatepost.mail.queue_id import QueueId


class Submit(Protocol):
    """How a part that makes a message itself (bounce, forwarding, sendmail) sends it the same way in as any other."""

    async def __call__(self, envelope: Envelope, content: Content, *, origin: str) -> QueueId:
        """Clean up and queue a message; returns its id once durable. `origin`: the service it comes from, e.g. `bounce`.
        Raises QueueUnavailable where it cannot be stored."""
        ...


class QueueUnavailable(Exception):
    """The message could not be made durable (disk full, database damaged, time-out); nothing was acknowledged."""


class Unstorable(QueueUnavailable):
    """This message cannot be written down, however sound the disk is: a fault of ours, which is not tried again."""
