"""The client's side of SMTP (RFC 5321) and LMTP (RFC 2033) without input or output: octets in, events and octets out.

Purpose: one conversation, from the greeting to QUIT, with any number of transactions.
Contract: the owner feeds `receive` with what came, sends what `take` gives, and obeys the event; `stage` tells at any
time what is being waited for, which is also what a time limit or a lost connection is reported under.
Failure: MalformedReply, after which the connection is of no more use.
Not here: time, TLS, what a reply means for a message (deliver/).
"""

import enum
from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct

from gatepost.proto.smtp.client_commands import Capabilities, capabilities
from gatepost.proto.smtp.reply_reader import Edit, MalformedReply, Odd, Oddity, Reply, ReplyReader

NO_CAPABILITIES = Capabilities()


class ClientStage(enum.IntEnum):
    """What the client waits for."""

    GREETING = 0
    HELLO = 1  # reply to EHLO or LHLO
    HELO = 2
    STARTTLS = 3
    AUTH = 4
    XFORWARD_NAME = 5
    XFORWARD_HELO = 6
    MAIL = 7
    RCPT = 8
    DATA = 9
    CONTENT = 10  # the content is being sent
    DOT = 11
    RSET = 12
    QUIT = 13
    IDLE = 14  # nothing: ready for a transaction


class ClientEvent(enum.Enum):
    """What the owner has to do now."""

    WAIT = "nothing but wait"
    MASKED = "a firewall has masked the greeting: find out what to work around, then call `hello`"
    READY = "the server said hello: start TLS, authenticate or begin a transaction"
    REFUSED = "the server will not talk: `refusal` has its words"
    TLS = "STARTTLS was answered: start TLS and call `hello`, unless there is a `refusal`"
    CHALLENGE = "a reply to AUTH came: `last`"
    CONTENT = "send the content, then call `content_sent`"
    FINISHED = "the transaction is over: its answers are complete"


class Dialect(Struct, frozen=True):
    """How to talk: `lmtp`; `name` for the hello; `ehlo`: `always`, `never`, or `offered` where only an ESMTP greeting gets EHLO;
    `discard`: EHLO keywords to ignore, in lower case; `edit`: what to read in place of a line of a reply; `masked`: a greeting that
    a firewall has masked is told of (MASKED)."""

    name: str
    lmtp: bool = False
    ehlo: str = "always"
    discard: frozenset[str] = frozenset()
    edit: Edit | None = None
    masked: bool = False


class Answer(Struct, frozen=True, gc=False):
    """What decided over a recipient: the reply, and the command it answers."""

    stage: ClientStage
    reply: Reply


class Transaction:
    """One message. `commands`: XFORWARD, MAIL and RCPT lines, each with CRLF; `answers`: by recipient, None while unknown.

    `probe`: where nothing is to be delivered, the command whose reply decides, RCPT or DATA; the transaction ends after it.
    """

    __slots__ = ("answers", "forward", "mail", "probe", "recipients")

    def __init__(
        self, mail: bytes, recipients: Sequence[bytes], forward: Sequence[bytes] = (), *, probe: ClientStage | None = None
    ) -> None:
        self.mail = mail
        self.recipients = recipients
        self.forward = forward
        self.probe = probe
        self.answers: list[Answer | None] = [None] * len(recipients)

    @property
    def pending(self) -> list[int]:
        """Numbers of the recipients that nothing has been decided over."""
        return [number for number, answer in enumerate(self.answers) if answer is None]

    def settle(self, stage: ClientStage, reply: Reply) -> None:
        """`reply` decides over all recipients that are left."""
        answer = Answer(stage, reply)
        self.answers = [answer if old is None else old for old in self.answers]


class Client:
    """One conversation.

    `stage`: what is waited for; `greeted`: whether the greeting was a welcome; `offered`: the server's keywords; `refusal`: the
    reply with which it ended the conversation; `last`: the latest reply to AUTH; `usable`: whether another transaction may
    follow; `quitting`: whether leave has been taken; `replies`: how many have come; `oddities`: for the owner
    to tell of and to clear.
    """

    __slots__ = (
        "_accepted", "_awaited", "_dialect", "_early", "_number", "_out", "_reader", "_tls_agreed", "_transaction", "_unsent",
        "esmtp", "greeted", "last", "oddities", "offered", "quitting", "refusal", "replies", "stage", "usable",
    )  # fmt: skip

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._reader = ReplyReader(dialect.edit)
        self._out: list[bytes] = []
        self._early: deque[Reply] = deque()  # replies that came before they were due
        self._transaction = Transaction(b"", ())
        self._unsent: deque[tuple[ClientStage, bytes]] = deque()  # where the server takes one command at a time
        self._awaited: deque[ClientStage] = deque()  # replies still to come after the one of `stage`
        self._number = 0  # recipient whose reply comes next
        self._accepted: list[int] = []  # recipients the server took, whose end is not known
        self._tls_agreed = False  # the server has said that it is ready for TLS
        self.stage = ClientStage.GREETING
        self.offered = NO_CAPABILITIES
        self.refusal: Reply | None = None
        self.last: Reply | None = None
        self.esmtp = False
        self.greeted = False
        self.usable = True
        self.quitting = False
        self.replies = 0
        self.oddities: list[Oddity] = []

    def take(self) -> bytes:
        """Octets to be sent, once."""
        out = self._out
        if not out:
            return b""
        octets = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return octets

    def receive(self, data: bytes) -> ClientEvent:
        """Take octets from the server. Raises MalformedReply. An event other than WAIT asks for an act of the owner's, before
        which no other can follow."""
        replies = self._reader.feed(data)
        self.replies += len(replies)
        if self._reader.oddities:
            self._note_oddities()
        if self._early:
            self._early.extend(replies)
            return self._work()
        for number, reply in enumerate(replies, 1):
            handler = _HANDLERS[self.stage]
            if handler is None:
                self._put_aside(replies[number - 1 :])
                break
            event = handler(self, reply)
            if event is not ClientEvent.WAIT:
                self._put_aside(replies[number:])
                return event
        return ClientEvent.WAIT

    def _note_oddities(self) -> None:
        """Noise matters where commands are pipelined: replies may be out of step then, and one be taken for another."""
        found, self._reader.oddities = self._reader.oddities, []
        pipelined = "PIPELINING" in self.offered.keywords
        self.oddities += [oddity for oddity in found if pipelined or oddity.kind is not Odd.NOISE]

    def _put_aside(self, replies: list[Reply]) -> None:
        """Replies that came before they were due. Those of a transaction are kept for it; a server that speaks unasked
        (421 before it hangs up) gets no further one."""
        if replies:
            self._early.extend(replies)
            if self.stage is not ClientStage.CONTENT:
                self.usable = False

    def _work(self) -> ClientEvent:
        """Handle replies that were put aside."""
        while self._early and (handler := _HANDLERS[self.stage]) is not None:
            event = handler(self, self._early.popleft())
            if event is not ClientEvent.WAIT:
                return event
        return ClientEvent.WAIT

    def _say(self, stage: ClientStage, line: bytes) -> None:
        self._out.append(line)
        self.stage = stage

    # The hello (RFC 5321 §3.1, §3.2)

    def _on_greeting(self, reply: Reply) -> ClientEvent:
        if reply.cls != 2:
            return self._refused(reply)
        self.greeted = True
        self.esmtp = b"ESMTP" in b" ".join(reply.lines).upper()
        if self._dialect.masked and _is_masked(reply):
            return ClientEvent.MASKED
        self.hello()
        return ClientEvent.WAIT

    def hello(self, *, extended: bool = True) -> None:
        """Say hello. The owner calls it again once TLS is up: what was learned before is forgotten (RFC 3207 §4.2). `extended`:
        ESMTP may be spoken."""
        dialect = self._dialect
        self.offered = NO_CAPABILITIES
        if dialect.lmtp:
            self._say(ClientStage.HELLO, b"LHLO %b\r\n" % dialect.name.encode())
        elif extended and (dialect.ehlo == "always" or (dialect.ehlo == "offered" and self.esmtp)):
            self._say(ClientStage.HELLO, b"EHLO %b\r\n" % dialect.name.encode())
        else:
            self._say(ClientStage.HELO, b"HELO %b\r\n" % dialect.name.encode())

    def _on_hello(self, reply: Reply) -> ClientEvent:
        if reply.cls == 2:
            self.offered = capabilities(reply.lines, self._dialect.discard)
            return self._ready()
        if self._dialect.lmtp or reply.code == 421:
            return self._refused(reply)
        self._say(ClientStage.HELO, b"HELO %b\r\n" % self._dialect.name.encode())
        return ClientEvent.WAIT

    def _on_helo(self, reply: Reply) -> ClientEvent:
        return self._ready() if reply.cls == 2 else self._refused(reply)

    def _ready(self) -> ClientEvent:
        self.stage = ClientStage.IDLE
        return ClientEvent.READY

    def _refused(self, reply: Reply) -> ClientEvent:
        self.refusal = reply
        self.usable = False
        self.stage = ClientStage.IDLE
        return ClientEvent.REFUSED

    # TLS (RFC 3207) and authentication (RFC 4954)

    def start_tls(self) -> None:
        """Ask for TLS."""
        self._say(ClientStage.STARTTLS, b"STARTTLS\r\n")

    def _on_starttls(self, reply: Reply) -> ClientEvent:
        self.stage = ClientStage.IDLE
        self._tls_agreed = reply.cls == 2
        self.refusal = None if self._tls_agreed else reply
        return ClientEvent.TLS

    def secured(self) -> None:
        """TLS is about to start: after STARTTLS, or first of all (smtp_tls_wrappermode). Raises MalformedReply where the server
        said more in the clear than it was asked: somebody else may have written that (response injection)."""
        due = self._tls_agreed or self.stage is ClientStage.GREETING
        if not due or self._early or not self._reader.empty:
            raise MalformedReply("data in the clear before TLS")

    def authenticate(self, line: bytes) -> None:
        """Send an AUTH command or the answer to a challenge, without CRLF."""
        self._say(ClientStage.AUTH, line + b"\r\n")

    def _on_auth(self, reply: Reply) -> ClientEvent:
        self.stage = ClientStage.IDLE
        self.last = reply
        return ClientEvent.CHALLENGE

    # The transaction (RFC 5321 §3.3, RFC 2920, RFC 2033 §4.2)

    def begin(self, transaction: Transaction) -> None:
        """Send the envelope: at once where the server offers PIPELINING, else a command at a time."""
        self._transaction = transaction
        self._number = 0
        self._accepted = []
        recipients = transaction.recipients
        if "PIPELINING" in self.offered.keywords:
            # DATA goes along: RFC 2920 §3.1 lets it be the last command of a group.
            end, line = _END[transaction.probe is ClientStage.RCPT]
            self._out.append(b"".join((*transaction.forward, transaction.mail, *recipients, line)))
            self._awaited = deque(_FORWARD[: len(transaction.forward)])
            self._awaited += (ClientStage.MAIL, *([ClientStage.RCPT] * len(recipients)), end)
            self.stage = self._awaited.popleft()
            return
        self._awaited.clear()
        self._unsent = deque(zip(_FORWARD, transaction.forward, strict=False))
        self._unsent.append((ClientStage.MAIL, transaction.mail))
        self._unsent += ((ClientStage.RCPT, line) for line in recipients)
        self._unsent.append(_END[transaction.probe is ClientStage.RCPT])
        self._advance()

    def _advance(self) -> ClientEvent:
        """Wait for the next reply, after saying the next command where one is left."""
        if self._awaited:
            self.stage = self._awaited.popleft()
        elif self._unsent:
            self._say(*self._unsent.popleft())
        return ClientEvent.WAIT

    def _abort(self) -> ClientEvent:
        """Nobody is left to deliver to: forget the transaction, keep the connection."""
        self._unsent.clear()
        self._say(ClientStage.RSET, b"RSET\r\n")
        return ClientEvent.WAIT

    def _on_xforward(self, reply: Reply) -> ClientEvent:
        # A refusal costs the information only (XFORWARD_README).
        return self._advance()

    def _on_mail(self, reply: Reply) -> ClientEvent:
        if reply.cls != 2:
            self._refuse(ClientStage.MAIL, reply)
            if self._unsent:
                return self._abort()
        return self._advance()

    def _on_rcpt(self, reply: Reply) -> ClientEvent:
        number = self._number
        self._number = number + 1
        transaction = self._transaction
        if transaction.answers[number] is None:
            if reply.cls != 2 or transaction.probe is ClientStage.RCPT:
                transaction.answers[number] = Answer(ClientStage.RCPT, reply)
                self.usable &= reply.code != 421
            else:
                self._accepted.append(number)
        if len(self._unsent) == 1 and not self._accepted:
            return self._abort()
        return self._advance()

    def _on_data(self, reply: Reply) -> ClientEvent:
        if reply.cls == 3:
            if self._transaction.probe is not None:
                return self._gone(reply)
            if self._accepted:
                self.stage = ClientStage.CONTENT
                return ClientEvent.CONTENT
            # Every recipient was refused, but the server waits for a message all the same: an empty one (RFC 2920 §3.1).
            self._say(ClientStage.DOT, b".\r\n")
            if not self._dialect.lmtp:
                return ClientEvent.WAIT
            self.usable = False  # LMTP has a reply for each accepted recipient, so here none
            return self._finished()
        self._refuse(ClientStage.DATA, reply)
        return self._abort()

    def _gone(self, reply: Reply) -> ClientEvent:
        """The server waits for a message that there is none of: nothing but closing the connection calls that off."""
        self._transaction.settle(ClientStage.DATA, reply)
        self.usable = False
        self.stage = ClientStage.CONTENT
        return ClientEvent.FINISHED

    def content_sent(self) -> ClientEvent:
        """The content is on its way, final dot included."""
        self.stage = ClientStage.DOT
        return self._work() if self._early else ClientEvent.WAIT

    def _on_dot(self, reply: Reply) -> ClientEvent:
        if not self._dialect.lmtp or not self._accepted:
            self._refuse(ClientStage.DOT, reply)
            return self._finished()
        # RFC 2033 §4.2: a reply for each recipient that was accepted, in their order.
        self._transaction.answers[self._accepted.pop(0)] = Answer(ClientStage.DOT, reply)
        return ClientEvent.WAIT if self._accepted else self._finished()

    def _refuse(self, stage: ClientStage, reply: Reply) -> None:
        self._transaction.settle(stage, reply)
        self._accepted = []
        if reply.code == 421:
            self.usable = False

    def _on_rset(self, reply: Reply) -> ClientEvent:
        self.usable &= reply.cls == 2
        return self._finished()

    def _finished(self) -> ClientEvent:
        self.stage = ClientStage.IDLE
        return ClientEvent.FINISHED

    def quit(self) -> None:
        """Take leave."""
        self.usable = False
        self.quitting = True
        self._say(ClientStage.QUIT, b"QUIT\r\n")

    def _on_quit(self, reply: Reply) -> ClientEvent:
        return self._finished()


def _is_masked(greeting: Reply) -> bool:
    """Whether a greeting has nothing but what a PIX firewall leaves of it: asterisks, and the code's digits."""
    text, *more = greeting.lines
    return not more and not (b"%d" % greeting.code + text).strip(b"20* \t")


_END = {False: (ClientStage.DATA, b"DATA\r\n"), True: (ClientStage.RSET, b"RSET\r\n")}
_FORWARD = (ClientStage.XFORWARD_NAME, ClientStage.XFORWARD_HELO)
_HANDLERS: tuple[Callable[[Client, Reply], ClientEvent] | None, ...] = (
    Client._on_greeting,
    Client._on_hello,
    Client._on_helo,
    Client._on_starttls,
    Client._on_auth,
    Client._on_xforward,
    Client._on_xforward,
    Client._on_mail,
    Client._on_rcpt,
    Client._on_data,
    None,
    Client._on_dot,
    Client._on_rset,
    Client._on_quit,
    None,
)
"""By ClientStage: what to do with a reply; None where none is due."""
