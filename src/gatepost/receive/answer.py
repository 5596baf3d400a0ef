"""What a verb answers: one value, which the loop of the session (session.py) says, counts and logs."""

import enum
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from gatepost.events.records import Event
from gatepost.mail.outcome import Outcome
from gatepost.proto.smtp.replies import ServerReply, reply_of
from gatepost.proto.smtp.server import CommandLine
from gatepost.receive.transaction import Effect


class Tally(enum.Enum):
    """How a command counts in its session (smtpd_hard_error_limit, and the line of counts at the end)."""

    SUCCESS = "success"
    ERROR = "error"
    NEITHER = "neither"
    MESSAGE = "a message was accepted: earlier errors and junk are forgiven"


Continuation = Callable[[], Awaitable["Answer"]]
"""What a verb does once the client has been told to go on."""

NextLine = Callable[[CommandLine], Awaitable["Answer"]]
"""Takes the line that a client sends as asked."""


class Answer(Struct, frozen=True):
    """What a verb answers, and what comes of it.

    - `reply`: what the client hears; None: nothing, or not yet.
    - `tally`: how the command counts. Of an answer that goes on, only the last part counts.
    - `trouble`: class of what was wrong (notify_classes), empty where nothing was.
    - `outcome`: the decision behind a refusal, whole.
    - `rejects`: `outcome` is logged as a rejection; else whoever took the decision has logged it.
    - `log`: records that go before the reply.
    - `effect`: what becomes of the transaction once the client was told.
    - `ends_message`: it answers the end of a message, which LMTP does for each recipient (RFC 2033 §4.2).
    - `each`: a reply for each recipient, in the order of RCPT, for LMTP; empty: `reply` for all of them.
    - `hangs_up`: the session ends. It does so after 421 and 521 in any case.
    - `then`: after the reply comes more of the same command: content (354), the TLS handshake (220).
    - `asks`: the next line is for this command and secret: a response of AUTH (334).
    """

    reply: ServerReply | None = None
    tally: Tally = Tally.SUCCESS
    trouble: str = ""
    outcome: Outcome | None = None
    rejects: bool = False
    log: tuple[Event, ...] = ()
    effect: Effect | None = None
    ends_message: bool = False
    each: tuple[ServerReply, ...] = ()
    hangs_up: bool = False
    then: Continuation | None = None
    asks: NextLine | None = None


MILTER: Final = "milter"
"""Who has decided, in an outcome: a filter of the milter protocol."""


def refused(reply: ServerReply, *log: Event) -> Answer:
    """What the protocol does not allow."""
    return Answer(reply, Tally.ERROR, "protocol", log=log)


def rejected(outcome: Outcome, effect: Effect | None = None) -> Answer:
    """What somebody decided against: policy, or our own resources. The class of the trouble is its `origin`."""
    trouble = "policy" if outcome.origin == MILTER else outcome.origin or "policy"
    return Answer(reply_of(outcome), Tally.ERROR, trouble, outcome, rejects=True, effect=effect)


def turned_down(outcome: Outcome) -> Answer:
    """The same where whoever decided has logged it."""
    trouble = "policy" if outcome.origin == MILTER else outcome.origin
    return Answer(reply_of(outcome), Tally.ERROR, trouble, outcome)


CLOSING: Final = frozenset({421, 521})
"""Codes of replies after which the server hangs up (RFC 5321 §3.8, RFC 7504)."""
