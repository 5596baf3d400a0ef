"""The port of delivery agents: what the scheduler asks of them and what they answer.

An agent (a file of deliver/ for each transport) answers for every recipient that it was given."""

import enum
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from gatepost.mail.outcome import Outcome
from gatepost.mail.queued import ActiveMessage, QueuedRecipient


class Purpose(enum.Enum):
    """What an attempt is for."""

    DELIVER = "mail is delivered"
    REPORT = "nothing is delivered: the sender is told all that would come of it (sendmail -bv)"
    VERIFY = "nothing is delivered: somebody wants to know whether the address is good (verify(8))"


class DeliveryRequest(Struct, frozen=True):
    """One attempt.

    - `message`, `recipients`: a message and some of its recipients, with the resolved address in `recipient.address`.
    - `transport`: the name of a master.cf service.
    - `nexthop`: its destination, as routing said it.
    - `purpose`: agents deliver for DELIVER alone.
    """

    message: ActiveMessage
    recipients: tuple[QueuedRecipient, ...]
    transport: str
    nexthop: str
    purpose: Purpose = Purpose.DELIVER

    @property
    def probe(self) -> bool:
        """Whether the recipients are only asked for."""
        return self.purpose is not Purpose.DELIVER


class Reached(enum.Enum):
    """What an attempt says of the site that it went to, whatever became of the mail. NO counts against the site, for everybody's
    mail: only who has tried in vain to reach it may say so. A fault of our own says nothing."""

    YES = "it was there, or there is nothing to be reached"
    NO = "it could not be reached, would not talk, or fell silent"
    UNKNOWN = "it was not asked"


class Report(Struct, frozen=True):
    """How it ended for one recipient. `relay`: as logged (`mx.example[192.0.2.1]:25`, `local`, `none`). `started` and
    `connected` are clock seconds for the `delays=` field: when the agent began, and when the connection was ready.
    `conn_use`: how many deliveries the connection has seen, this one included (0: not a kept connection).
    `dsn_relayed`: the next hop took over success notification (RFC 3461 §5.2.1). `relayed`: a success notice says `relayed`, not
    `delivered`. `parts`: what the recipient was expanded into (aliases(5)), logged and told instead of it, while `outcome` says
    what becomes of it in the queue. `expanded`: not logged; a success notice tells that it was expanded. `service`: the program
    that did the work, where it is not the transport's own. `reached`: what the attempt says of the site."""

    recipient: QueuedRecipient
    outcome: Outcome
    relay: str = "none"
    started: float = 0.0
    connected: float = 0.0
    conn_use: int = 0
    dsn_relayed: bool = False
    parts: "tuple[Report, ...] | None" = None
    expanded: bool = False
    relayed: bool = False
    service: str = ""
    reached: Reached = Reached.YES


class Agent(Protocol):
    """A delivery agent. `deliver` never raises for what a next hop, a mailbox or a message does: that is an Outcome."""

    async def deliver(self, request: DeliveryRequest) -> Sequence[Report]:
        """One report for each recipient of `request`, in any order."""
        ...

    async def close(self) -> None:
        """End kept connections in an orderly way, and keep none from now on; deliveries under way go on."""
        ...
