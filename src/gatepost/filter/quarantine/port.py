"""What the gate hands to the quarantine, and what is kept there."""

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct


class QuarantineFailure(Exception):
    """It cannot be kept (full, no room, no rights): the mail is to be deferred. The text is for the log."""


class Entry(Struct, frozen=True, kw_only=True):
    """Why a message is kept, and for whom it was.

    kind: `virus`, `banned`, `spam`, `unchecked`, `bad-header`.
    reason: for people; names of viruses, the banned file, the score.
    sender: envelope sender in internal form; `recipients`: those whom it is kept from.
    client: `name[address]`, empty where it did not come by SMTP.
    queue_id: under which the log speaks of it.
    time: seconds since 1970.
    score: of spam; `tests`: names of the rules that hit.
    subject, message_id, from_header: of its headers, as they stand, cut at 500 octets.
    size: octets of the message.
    """

    kind: str
    reason: str
    sender: str
    recipients: tuple[str, ...]
    client: str = ""
    queue_id: str = ""
    time: float = 0.0
    score: float = 0.0
    tests: tuple[str, ...] = ()
    subject: str = ""
    message_id: str = ""
    from_header: str = ""
    size: int = 0


class Quarantine(Protocol):
    """The store, as the gate sees it."""

    async def store(self, entry: Entry, content: Iterable[bytes]) -> str:
        """Keep a message (in wire form); under which name. It is on stable storage when this returns. Raises QuarantineFailure."""
        ...
