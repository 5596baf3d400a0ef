"""What is known while one recipient is delivered locally: where its expansion has got to, and what has come of it so far."""

import re

from msgspec import Struct
from msgspec.structs import replace

from gatepost.deliver.forward import Forwards
from gatepost.deliver.local_names import UNCHOSEN, LocalName, Rights
from gatepost.mail.address import from_bytes, split
from gatepost.mail.content import Content
from gatepost.mail.delivery import DeliveryRequest, Purpose, Report
from gatepost.mail.envelope import Notify, Recipient
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queued import QueuedRecipient
from gatepost.mail.reason import Reason, because

_HEADER_LIMIT = 102400
_DELIVERED_TO = re.compile(rb"^Delivered-To:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


class Position(Struct, frozen=True):
    """Where an expansion has got to.

    - `sender` and `owner`: who gets the bounces, and on whose behalf mail is forwarded (empty: nobody's, then local names are
      delivered at once).
    - `delivered`: for the Delivered-To header.
    - `listed_by`: what listed this recipient (empty: the message itself).
    - `listed_at`: under which name, which is not looked up as an alias again.
    - `forward`: the .forward file whose list it is, or from which that list is included.
    - `unmatched`: an extension, with its delimiter, that the results inherit.
    - `why`: what has led here (rule, table and key), which is the reason of whatever fails here.
    """

    recipient: Recipient
    sender: str
    name: LocalName = LocalName("", "", "")
    owner: str = ""
    delivered: str = ""
    listed_by: str = ""
    listed_at: str = ""
    forward: str = ""
    unmatched: str = ""
    rights: Rights = UNCHOSEN
    level: int = 0
    why: Reason = Reason("local")

    def led_by(self, rule: str, table: str = "", key: str = "") -> "Position":
        """The same position, to which this has led."""
        return replace(self, why=because(rule, table, key))


class LocalDelivery:
    """One recipient of a message: a filter of what was done already, forwarded mail, and a report of each part of the result.
    `loops`: addresses that the message was delivered to before it came here. `only_asked`: somebody only wants to know whether the
    address is good (verify(8)), and not, as with `sendmail -bv`, all that would come of it."""

    def __init__(self, request: DeliveryRequest, queued: QueuedRecipient, loops: set[str], started: float) -> None:
        self.request = request
        self.queued = queued
        self.loops = loops
        self.started = started
        self.forwards = Forwards()
        self.only_asked = request.purpose is Purpose.VERIFY
        self.parts: list[Report] = []
        self._done: set[tuple[object, ...]] = set()

    def first_time(self, *what: object) -> bool:
        """Whether `what` has not been done yet for this recipient; from now on it has."""
        if what in self._done:
            return False
        self._done.add(what)
        return True

    def was_done(self, *what: object) -> bool:
        return what in self._done

    def report(self, at: Position, outcome: Outcome, *, relayed: bool = False) -> bool:
        """Take down how it ended for `at`. False where that was a deferral: then the rest of a list waits as well."""
        if not outcome.ok and not outcome.why:
            outcome = replace(outcome, why=because(at.why.rule, at.why.table, at.why.key, outcome.text))
        queued = replace(self.queued, recipient=at.recipient)
        self.parts.append(Report(queued, outcome, self.request.transport, self.started, self.started, relayed=relayed))
        return outcome.cls is not Class.TEMPORARY

    def expanded(self, at: Position) -> None:
        """Tell the sender, who wants to know, that `at` was expanded."""
        queued = replace(self.queued, recipient=at.recipient)
        told = Outcome(Class.OK, "2.0.0", "alias expanded")
        self.parts.append(Report(queued, told, self.request.transport, self.started, self.started, expanded=True))

    def result(self) -> Report:
        """The report of the whole: it has to be tried again if a part of it has."""
        if len(self.parts) == 1 and self.parts[0].recipient.recipient == self.queued.recipient:
            return self.parts[0]
        order = {Class.OK: 0, Class.PERMANENT: 1, Class.TEMPORARY: 2}
        worst = max((part.outcome for part in self.parts), key=lambda outcome: order[outcome.cls], default=_NOTHING)
        return Report(self.queued, worst, self.request.transport, self.started, self.started, parts=tuple(self.parts))


_NOTHING = Outcome(Class.OK, "2.0.0", "expanded to nothing")


def delivered_to(content: Content) -> set[str]:
    """Addresses of the Delivered-To headers of a message, in lower case."""
    head = content.head(_HEADER_LIMIT)
    head = head[: head.find(b"\r\n\r\n") + 2 or len(head)]
    return {from_bytes(found.strip()).lower() for found in _DELIVERED_TO.findall(head)}


def spliced(address: str, extension: str) -> str:
    """`address` with an extension added to its local part."""
    local, domain = split(address)
    return f"{local}{extension}@{domain}" if domain else local + extension


def quiet(at: Position) -> Position:
    """Results of an expansion do not tell of success: that mail was expanded is told once (RFC 3461 §5.2.7)."""
    notify = at.recipient.notify
    if not notify & Notify.SUCCESS:
        return at
    return replace(at, recipient=replace(at.recipient, notify=(notify & ~Notify.SUCCESS) or int(Notify.NEVER)))
