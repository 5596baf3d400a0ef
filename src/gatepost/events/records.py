"""What happens, as records. The Postfix-format maillog, JSON lines and statistics are renderings of these (one way to tell).

`service` is the master.cf program that tells it (`smtpd`, `qmgr`, `smtp` ...); a rendering adds `syslog_name` and the pid.
`queue_id` is the written queue id, empty where there is none yet. Addresses are in internal form.
"""

from collections.abc import Callable

from msgspec import Struct

from gatepost.mail.reason import UNSAID, Reason


class Event(Struct, frozen=True, tag=True):
    """Base of all records."""

    service: str


class Connected(Event, frozen=True):
    """A client was greeted. `client`: `name[address]`, as in all records."""

    client: str


class Disconnected(Event, frozen=True):
    """A session ended. `counts`: verb -> (accepted, all) in the order of first use."""

    client: str
    counts: tuple[tuple[str, int, int], ...]


class SessionLost(Event, frozen=True):
    """The client went away or stalled: `what` is `lost connection` or `timeout`; `after` the last command."""

    what: str
    after: str
    client: str


class Accepted(Event, frozen=True):
    """A session got its queue id: `QID: client=...`; `sasl_*` and `orig_*` where they apply."""

    queue_id: str
    client: str
    sasl_method: str = ""
    sasl_username: str = ""
    sasl_sender: str = ""
    orig_queue_id: str = ""
    orig_client: str = ""


class Judged(Event, frozen=True):
    """A restriction or content check decided something worth a line.

    - `action`: `reject`, `warn`, `hold`, `filter`, `info`, `discard`, `redirect` ...
    - `where`: the command (`RCPT`), or the header or body line.
    - `client`: empty for what is checked on its way out.
    - `text`: the reply, or the rule's text.
    - `context`: the rest of the line after `;` (from, to, proto, helo).
    - `why`: what decided.
    - `found`: what had been found out about client and message by then (mail/evidence.py).
    """

    queue_id: str
    action: str
    where: str
    client: str
    text: str
    context: str = ""
    why: Reason = UNSAID
    found: tuple[Struct, ...] = ()


class Permitted(Event, frozen=True):
    """The restrictions let a recipient in, by `why`; `found`: as in Judged. Not in the mail log, which has no words for it; told
    only where a sink takes records (`Log.takes_records`)."""

    queue_id: str
    client: str
    sender: str
    recipient: str
    why: Reason
    found: tuple[Struct, ...] = ()


class Filtered(Event, frozen=True):
    """The content filter has judged a message: for those recipients who get it, or those who do not.

    - `action`: `Passed` or `Blocked`. `category`: what it is (`CLEAN`, `INFECTED` ...). `names`: of its viruses or files.
    - `how`: what became of it (`RejectedInbound` ...), in the words of amavisd-new.
    - `client`: `[address]`, empty where it did not come by SMTP.
    - `score`: None where nobody looked for spam. `tests`: rules that hit, with their points.
    - `size`: octets. `seconds`: that looking took.
    - `quarantined`: under which name a copy is kept, if it is.
    """

    queue_id: str
    action: str
    category: str
    names: tuple[str, ...]
    how: tuple[str, ...]
    client: str
    sender: str
    recipients: tuple[str, ...]
    score: float | None
    tests: tuple[tuple[str, float], ...]
    size: int
    seconds: float
    message_id: str = ""
    quarantined: str = ""
    why: Reason = UNSAID


class ScreeningBegan(Event, frozen=True):
    """A client is looked at before it may talk to smtpd (postscreen(8)). `client`, `server`: `[address]:port`."""

    client: str
    server: str


class Screened(Event, frozen=True):
    """What became of it, or was known of it: `verdict` is Postfix's word (`PASS NEW`, `DENYLISTED`, `DISCONNECT` ...)."""

    verdict: str
    client: str
    why: Reason = UNSAID


class SpokeEarly(Event, frozen=True):
    """It spoke before its turn: so many `octets`, `after` so many seconds; `said` is how they begin, escaped."""

    client: str
    octets: int
    after: float
    said: str
    why: Reason = UNSAID


class DnsListed(Event, frozen=True):
    """The DNS lists that have it weigh `rank` in all, or more than it may."""

    client: str
    rank: int
    why: Reason = UNSAID


class RuleBroken(Event, frozen=True):
    """It broke a rule of the protocol.

    - `test`: Postfix's word (`COMMAND PIPELINING`, `COMMAND TIME LIMIT` ...).
    - `after`: the command before.
    - `said`: what it said, escaped.
    """

    test: str
    client: str
    after: str
    said: str = ""
    why: Reason = UNSAID


class HungUp(Event, frozen=True):
    """It went away, `after` so many seconds, while the tests of `phase` went on (`before SMTP handshake`)."""

    client: str
    after: float
    phase: str


class MessageId(Event, frozen=True):
    """The message has this Message-Id (`message-id=<...>`); `resent` for a Resent-Message-Id."""

    queue_id: str
    message_id: str
    resent: bool = False


class PickedUp(Event, frozen=True):
    """A local submission: `uid=0 from=<root>`; `orig_id`: of the queued message that it was before (postsuper -r)."""

    queue_id: str
    uid: int
    sender: str
    orig_id: str = ""


class Activated(Event, frozen=True):
    """The message entered the active queue (`from=<>, size=, nrcpt= (queue active)`)."""

    queue_id: str
    sender: str
    size: int
    recipients: int


class Delivered(Event, frozen=True):
    """An attempt ended for one recipient.

    - `status`: `sent`, `deferred`, `bounced`, `expired`, `deliverable`, `undeliverable` or `SOFTBOUNCE`.
    - `delays`: seconds before the queue manager, in it, connecting, transmitting.
    - `why`: what decided, unless all went well.
    """

    queue_id: str
    recipient: str
    original: str
    relay: str
    delay: float
    delays: tuple[float, float, float, float]
    dsn: str
    status: str
    text: str
    conn_use: int = 0
    why: Reason = UNSAID


class Removed(Event, frozen=True):
    """The last recipient of the message is done; the message left the queue."""

    queue_id: str


class Notified(Event, frozen=True):
    """A report about `queue_id` was queued as `notice_id`; `kind` is Postfix's wording, e.g. `sender non-delivery notification`."""

    queue_id: str
    kind: str
    notice_id: str


class LinesLost(Event, frozen=True):
    """The log was not written for a while: so many `lines` for `file` found no room; `why` it was not."""

    file: str
    lines: int
    why: str
    severity: str = "warning"


class Note(Event, frozen=True):
    """Anything rarer, in words. `severity`: empty (info), `warning`, `error`, `fatal`, `panic`."""

    text: str
    severity: str = ""
    queue_id: str = ""


Emit = Callable[[Event], None]
Clock = Callable[[], float]
"""Seconds since 1970."""
Fault = Callable[[BaseException, str], object]
"""Tells of what nobody expected to be raised, and what becomes of the work at hand (service/faults.py)."""


def tell_fault(service: str, emit: Emit) -> Fault:
    """A Fault in one line, where there is nobody who also has the trace."""
    return lambda fault, consequence: emit(Note(service, f"{type(fault).__name__}: {fault}: {consequence}", "panic"))
