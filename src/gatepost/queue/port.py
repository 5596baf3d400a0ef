"""What the queue holds and how the rest of the house speaks to it. No caller sees SQL.

A message enters with `put` (durable when it returns), its recipients leave one by one with `settle`. The store keeps a
record of how each acknowledged recipient ended: the queue is a ledger (`gatepost audit`).
"""

import enum
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from gatepost.mail.content import Content
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.mail.queued import ActiveMessage, QueuedRecipient


class Status(enum.IntEnum):
    """Where a recipient stands.

    QUEUED: it waits; the only one that the scheduler looks for.
    ACTIVE: the worker that owns the partition has it in hand.
    UNDER_WAY: a worker that has handed the partition over has it in hand still.
    PROBED: nothing was to be delivered, only asked (`sendmail -bv`).
    REQUEUED: to be taken in anew as another message (`postsuper -r`); in the ledger: that has been done.
    """

    QUEUED = 0
    HELD = 1
    DELIVERED = 2
    BOUNCED = 3
    EXPIRED = 4
    DELETED = 5
    ACTIVE = 6
    PROBED = 7
    REQUEUED = 8
    UNDER_WAY = 9


IN_HAND = (Status.ACTIVE, Status.UNDER_WAY)
"""A worker has it."""


class Ended(Struct, frozen=True):
    """A recipient who was acknowledged and does not get the message: `outcome` is why, for the ledger."""

    recipient: Recipient
    outcome: Outcome


class NewMessage(Struct, frozen=True):
    """A message to be queued.

    - `size`: octets, as Postfix logs and lists them: its records cost two for a line, as CRLF does.
    - `expanded`: recipients that became others through an alias and whose sender is to be told of that success (RFC 3461 §5.2.7.3).
    - `ended`: recipients whom the content filter keeps it from. They are no recipients of `envelope`.
    """

    id: QueueId
    envelope: Envelope
    content: Content
    size: int
    expanded: tuple[Recipient, ...] = ()
    ended: tuple[Ended, ...] = ()


class Settlement(Struct, frozen=True):
    """How a delivery attempt left one recipient. `outcome`: for the ledger, or while it waits for `mailq`. `due`: next attempt,
    seconds since 1970, for QUEUED. `by`: who did it, where a person did. `site`: the transport and next hop that it waits for, by
    which the scheduler claims it again."""

    id: QueueId
    index: int
    status: Status
    outcome: Outcome
    due: float = 0.0
    by: str = ""
    site: str = ""


class Store(Protocol):
    """One partition of the queue, owned by one worker."""

    def new_id(self) -> QueueId:
        """A fresh id; unique and increasing in this partition."""
        ...

    async def put(self, message: NewMessage) -> None:
        """Store the message; durable when this returns. Its content is the store's from the call on: a staged file is kept or
        removed, however this ends. Raises QueueUnavailable."""
        ...

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record outcomes in the next commit; does not wait. A message none of whose recipients is QUEUED or HELD
        gives up its content."""
        ...


class Notifier(Protocol):
    """Reports to the sender and the postmaster (RFC 3461, 3464; bounce(8)). Called when a message's active pass ends, once
    for each kind. When a method returns, the notices it had to send are durable; only then is the outcome settled."""

    async def bounced(self, message: ActiveMessage, failures: "Sequence[Failure]") -> None:
        """Non-delivery: a bounce to the sender, or to the postmaster (double bounce) where there is no sender."""
        ...

    async def delayed(self, message: ActiveMessage, failures: "Sequence[Failure]") -> None:
        """Delivery is late (`delay_warning_time`); the message stays queued."""
        ...

    async def succeeded(self, message: ActiveMessage, failures: "Sequence[Failure]") -> None:
        """Delivered, relayed or expanded recipients whose sender asked to know (NOTIFY=SUCCESS)."""
        ...

    async def traced(self, message: ActiveMessage, failures: "Sequence[Failure]") -> None:
        """What came, or would come, of delivering a message whose submitter asked for a report (`sendmail -v`, `-bv`)."""
        ...


class Failure(Struct, frozen=True):
    """What a notice says of one recipient. `action`: `failed`, `delayed`, `delivered`, `relayed`, `expanded` (RFC 3464 §2.3.3); in
    a report for -bv `deliverable`, `undeliverable`."""

    recipient: QueuedRecipient
    outcome: Outcome
    action: str
    relay: str = "none"
