"""A day of a mail system as events, and what it amounts to: the same day in every run."""

import random
from collections import Counter
from collections.abc import Callable, Generator, Iterator

from gatepost.events.maillog import Stamp, words
from gatepost.events.records import (
    Accepted,
    Activated,
    Connected,
    Delivered,
    Disconnected,
    Event,
    Judged,
    MessageId,
    Note,
    Notified,
    PickedUp,
    Removed,
    SessionLost,
)
from gatepost.mail.queue_id import QueueId

DAY = 1_741_737_600.0
"""2025-03-12 00:00:00 UTC."""

CLIENT = "mx.sender.test[192.0.2.1]"
RELAY = "mx.remote.test[198.51.100.7]:25"
SIZE = 2048

Told = Iterator[tuple[float, Event]]
"""What happens, and how many seconds after the one before."""


class Day:
    """Events in the order of their times, none within ten minutes of midnight. `count`: what happened, in pflogsumm's words."""

    def __init__(self, sessions: int, seed: int = 1) -> None:
        self.count: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.by_program: Counter[tuple[str, str]] = Counter()
        self._random = random.Random(seed)
        self._ids = 0
        self.events: list[tuple[float, Event]] = []
        for number in range(sessions):
            now = DAY + 600 + number * 85_000 / sessions
            flow = self._random.choice(FLOWS)
            for after, event in flow(self):
                now += after
                self.events.append((now, event))
        self.events.sort(key=lambda told: told[0])

    def lines(self) -> str:
        """The day's maillog."""
        stamp = Stamp("mail")
        return "".join(f"{stamp.at(now)} postfix/{event.service}[4711]: {words(event)}\n" for now, event in self.events)

    def queue_id(self) -> str:
        self._ids += 1
        return str(QueueId(int(DAY * 1_000_000) + self._ids * 7_919_111, self._ids % 3))

    def accepted(self, sender: str, recipients: int = 1, **more: str) -> Generator[tuple[float, Event], None, str]:
        """A message comes in over SMTP; the generator's value is its queue id."""
        name = self.queue_id()
        yield 0.0, Connected("smtpd", CLIENT)
        yield 0.1, Accepted("smtpd", name, CLIENT, **more)
        yield 0.1, MessageId("cleanup", name, f"<{name}@sender.test>")
        yield 0.0, Activated("qmgr", name, sender, SIZE, recipients)
        verbs = (("ehlo", 1, 1), ("mail", 1, 1), ("rcpt", recipients, recipients), ("data", 1, 1), ("quit", 1, 1))
        yield 0.0, Disconnected("smtpd", CLIENT, verbs)
        self.count["received"] += 1
        self.bytes["received"] += SIZE
        return name

    def delivery(
        self, name: str, program: str, recipient: str, status: str, text: str, relay: str = "", dsn: str = "2.0.0", use: int = 0
    ) -> tuple[float, Event]:
        """One attempt's line."""
        word = {"sent": "delivered", "deferred": "deferred", "bounced": "bounced"}[status]
        self.count[word] += 1
        self.by_program[program, status] += 1
        if status == "sent":
            self.bytes["delivered"] += SIZE
        delays = (0.02, 0.001, 0.3, 0.7)
        return 0.7, Delivered(program, name, recipient, "", relay or program, 1.021, delays, dsn, status, text, use)

    def removed(self, name: str) -> tuple[float, Event]:
        return 0.0, Removed("qmgr", name)

    def rejected(self, event: Judged) -> tuple[float, Event]:
        word = {"reject": "rejected", "reject_warning": "reject warnings", "hold": "held", "discard": "discarded"}[event.action]
        self.count[word] += 1
        self.by_program[event.service, event.action] += 1
        return 0.0, event


def relayed(day: Day) -> Told:
    name = yield from day.accepted("alice@sender.test", 2, sasl_method="PLAIN", sasl_username="alice")
    for number, recipient in enumerate(("x@remote.test", "y@remote.test")):
        yield day.delivery(name, "smtp", recipient, "sent", "250 2.0.0 Ok: queued as 4ABCD", RELAY, use=number + 1)
    yield day.removed(name)


def into_mailbox(program: str, relay: str = "") -> Callable[[Day], Told]:
    def flow(day: Day) -> Told:
        name = yield from day.accepted("bob@other.test")
        yield day.delivery(name, program, "joe@example.test", "sent", "delivered to maildir", relay)
        yield day.removed(name)

    return flow


def returned(program: str, relay: str, text: str) -> Callable[[Day], Told]:
    """A bounce, and the notice that goes back to the sender's mailbox."""

    def flow(day: Day) -> Told:
        name = yield from day.accepted("carol@example.test")
        yield day.delivery(name, program, "nobody@remote.test", "bounced", text, relay, "5.1.1")
        notice = day.queue_id()
        yield 0.0, MessageId("cleanup", notice, f"<{notice}@mail.example.test>")
        yield 0.0, Activated("qmgr", notice, "", SIZE, 1)
        yield 0.0, Notified("bounce", name, "sender non-delivery notification", notice)
        yield day.removed(name)
        yield day.delivery(notice, "local", "carol@example.test", "sent", "delivered to mailbox")
        yield day.removed(notice)

    return flow


def late(day: Day) -> Told:
    name = yield from day.accepted("alice@sender.test")
    refused = "connect to mx.remote.test[198.51.100.7]:25: Connection refused"
    yield 0.0, Note("smtp", refused)
    yield day.delivery(name, "smtp", "x@remote.test", "deferred", refused, "none", "4.4.1")
    yield 300.0, Activated("qmgr", name, "alice@sender.test", SIZE, 1)
    yield day.delivery(name, "smtp", "x@remote.test", "sent", "250 2.0.0 Ok", RELAY)
    yield day.removed(name)


def submitted(day: Day) -> Told:
    name = day.queue_id()
    yield 0.0, PickedUp("pickup", name, 1000, "dave")
    yield 0.0, MessageId("cleanup", name, f"<{name}@mail.example.test>")
    yield 0.0, Activated("qmgr", name, "dave@example.test", SIZE, 1)
    day.count["received"] += 1
    day.bytes["received"] += SIZE
    day.by_program["pickup", "received"] += 1
    yield day.delivery(name, "local", "joe@example.test", "sent", "delivered to mailbox")
    yield day.removed(name)


def refused(action: str, text: str) -> Callable[[Day], Told]:
    def flow(day: Day) -> Told:
        context = "from=<spam@bad.test> to=<joe@example.test> proto=ESMTP helo=<bad.test>"
        yield 0.0, Connected("smtpd", CLIENT)
        yield day.rejected(Judged("smtpd", "", action, "RCPT", CLIENT, text, context))
        yield 0.0, SessionLost("smtpd", "lost connection", "RCPT", CLIENT)
        yield 0.0, Disconnected("smtpd", CLIENT, (("ehlo", 1, 1), ("mail", 1, 1), ("rcpt", 0, 1)))

    return flow


def content_refused(day: Day) -> Told:
    name = day.queue_id()
    context = "from=<spam@bad.test> to=<joe@example.test> proto=ESMTP helo=<bad.test>"
    yield 0.0, Connected("smtpd", CLIENT)
    yield 0.0, Accepted("smtpd", name, CLIENT)
    day.count["received"] += 1  # as pflogsumm sees it: a queue id was given
    yield 0.0, MessageId("cleanup", name, "<spam@bad.test>")
    event = Judged("cleanup", name, "reject", "header Subject: get rich", CLIENT, "5.7.1 no", context)
    yield day.rejected(event)
    yield 0.0, Disconnected("smtpd", CLIENT, (("ehlo", 1, 1), ("mail", 1, 1), ("rcpt", 1, 1), ("data", 0, 1)))


FLOWS: tuple[Callable[[Day], Told], ...] = (
    relayed,
    into_mailbox("local"),
    into_mailbox("virtual"),
    into_mailbox("lmtp", "store.example.test[private/lmtp]"),
    returned("smtp", RELAY, "host mx.remote.test[198.51.100.7] said: 550 5.1.1 no such user (in reply to RCPT TO command)"),
    returned("error", "none", "this domain is gone"),
    late,
    submitted,
    refused("reject", "554 5.7.1 <joe@example.test>: Recipient address rejected: Access denied"),
    refused("reject_warning", f"554 5.7.1 <{CLIENT}>: Client host rejected: Access denied"),
    refused("hold", "<joe@example.test>: Recipient address for review"),
    refused("discard", "<joe@example.test>: Recipient address triggers DISCARD action"),
    content_refused,
)
