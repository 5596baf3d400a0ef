"""The SMTP engine of postscreen(8): it speaks with clients whom nobody lets in, and watches how they speak. No mail comes of it.

Sans-IO: octets in, values out. Whether something is a fault is said here; what is done about it, elsewhere (screening.py).
"""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from gatepost.mail.address import external
from gatepost.mail.ascii_text import SPACE, upper
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.grammar import is_header, path, printable, words
from gatepost.proto.smtp.replies import ServerReply
from gatepost.receive.postscreen import replies
from gatepost.receive.postscreen.results import Test

_LONGEST_NAME: Final = 512
"""Characters of a HELO name or an address that are kept."""


class Fault(Struct, frozen=True):
    """A test is failed. `after`: the command before, or the line; `said`: what was said."""

    test: Test
    after: str
    said: str = ""


class TooLong(Struct, frozen=True):
    """A line is longer than line_length_limit. `after`: the command before."""

    after: str


class Line(Struct, frozen=True):
    """A command that is to be looked at (filtered) and then answered with `Engine.answer`."""

    text: str


class Refusal(Struct, frozen=True):
    """A recipient was refused, for the log."""

    sender: str
    recipient: str
    protocol: str
    helo: str


class Answer(Struct, frozen=True):
    """What a command comes to.

    - `reply`: what is said.
    - `refusal`: of a recipient.
    - `without_recipient`: DATA or BDAT came, which ends the session.
    - `starts_tls`, `ends`: what follows the reply.
    """

    reply: ServerReply
    refusal: Refusal | None = None
    without_recipient: str = ""
    starts_tls: bool = False
    ends: bool = False


class EngineRules(Struct, frozen=True):
    """- `vrfy_disabled`: VRFY is refused; `vrfy_offered`: EHLO names it, which depends on disable_vrfy_command, as in Postfix.
    - `tls`: STARTTLS is offered; `tls_required`: little else is answered before it.
    - the others: settings.
    """

    host: str
    line_limit: int
    size_limit: int
    smtputf8: bool
    helo_required: bool
    vrfy_disabled: bool
    vrfy_offered: bool
    tls: bool
    tls_required: bool


class Engine:
    """One client's dialogue. `recipient_reply`: what every RCPT hears; `watched`: the tests that are made.

    Feed it octets and ask `lines` for what there is; every Line is given to `answer` before the next is asked for."""

    __slots__ = (
        "_at", "_buffer", "_helo", "_protocol", "_rules", "_sender", "discarded", "over", "recipient_reply", "secured",
        "seen_recipient", "verb", "watched",
    )  # fmt: skip

    def __init__(self, rules: EngineRules, watched: frozenset[Test]) -> None:
        self._rules = rules
        self._buffer = b""
        self._at = 0
        """Where in the buffer the next line begins."""
        self._helo = ""
        self._protocol = "SMTP"
        self._sender: str | None = None
        self.discarded: frozenset[str] = frozenset()
        """EHLO keywords that this client is not offered."""
        self.recipient_reply = replies.NOT_YET
        self.watched = watched
        self.verb = "CONNECT"
        """The command before, for the log."""
        self.secured = False
        self.seen_recipient = False
        """RCPT has come: who got so far without a fault has passed."""
        self.over = False

    def feed(self, octets: bytes) -> None:
        """What came in."""
        self._buffer, self._at = self._buffer[self._at :] + octets, 0

    def purge(self) -> None:
        """Forget what was said in the clear (RFC 3207 §4.2)."""
        self._buffer, self._at = b"", 0
        self.secured = True
        self._sender, self._helo, self._protocol = None, "", "SMTP"

    @property
    def pending(self) -> int:
        """Octets that wait for an answer to what came before them."""
        return len(self._buffer) - self._at

    def lines(self) -> Iterator[Fault | TooLong | Line]:
        """What there is to tell of a line, in order: the faults of it, then the line itself."""
        while not self.over:
            end = self._buffer.find(b"\n", self._at, self._at + self._rules.line_limit + 1)
            if end < 0:
                if self.pending > self._rules.line_limit:
                    yield TooLong(self.verb)
                return
            octets, self._at = self._buffer[self._at : end], end + 1
            yield from self._told(octets)

    def _told(self, octets: bytes) -> Iterator[Fault | Line]:
        line = octets.removesuffix(b"\r")
        text = line.decode("utf-8", "surrogateescape")
        if Test.BARE_NEWLINE in self.watched and line is octets:
            yield Fault(Test.BARE_NEWLINE, escaped(line))
        if Test.PIPELINING in self.watched and self.pending:
            yield Fault(Test.PIPELINING, upper(text.partition(" ")[0]), escaped(self._buffer[self._at : self._at + SHOWN]))
        yield Line(text)

    def non_smtp(self, text: str, forbidden: bool) -> Fault | None:
        """The fault that a command of another protocol is. `forbidden`: postscreen_forbidden_commands has its word."""
        word = first_word(text)
        if Test.NON_SMTP in self.watched and upper(word) not in _VERBS and (forbidden or is_header(word)):
            return Fault(Test.NON_SMTP, self.verb, escaped(text.encode("utf-8", "surrogateescape")))
        return None

    def answer(self, text: str) -> Answer:
        """The reply to a command, which has been read and may have been replaced."""
        name, _, argument = text.strip(SPACE).partition(" ")
        verb = upper(name)
        handler = _VERBS.get(verb)
        if handler is None:
            return Answer(replies.NOT_RECOGNIZED)
        self.verb = verb
        if verb == "RCPT":
            self.seen_recipient = True
        if self._rules.tls_required and not self.secured and verb not in _BEFORE_TLS:
            return Answer(say.STARTTLS_FIRST)
        return handler(self, argument.strip(SPACE))

    # --- the verbs ---

    def _hello(self, argument: str) -> Answer:
        if not argument:
            return Answer(say.hello_syntax(self.verb))
        self._helo = argument[:_LONGEST_NAME]
        self._sender = None
        if self.verb == "HELO":
            return Answer(say.hello(self._rules.host))
        self._protocol = "ESMTP"
        rows = (word for offered, word in self._keywords() if offered and word.partition(" ")[0] not in self.discarded)
        return Answer(say.hello(self._rules.host, tuple(rows)))

    def _keywords(self) -> Iterator[tuple[bool, str]]:
        rules = self._rules
        yield True, f"SIZE {rules.size_limit}" if rules.size_limit else "SIZE"
        yield rules.vrfy_offered, "VRFY"
        yield True, "ETRN"
        yield rules.tls and not self.secured, "STARTTLS"
        yield True, "ENHANCEDSTATUSCODES"
        yield True, "8BITMIME"
        yield True, "DSN"
        yield rules.smtputf8, "SMTPUTF8"
        yield True, "CHUNKING"

    def _starttls(self, argument: str) -> Answer:
        if argument:
            return Answer(replies.STARTTLS_SYNTAX)
        if self.secured:
            return Answer(say.TLS_ACTIVE)
        if not self._rules.tls or "STARTTLS" in self.discarded:
            return Answer(say.NOT_IMPLEMENTED)
        return Answer(say.START_TLS, starts_tls=True)

    def _mail(self, argument: str) -> Answer:
        if self._rules.helo_required and not self._helo:
            return Answer(say.HELLO_FIRST)
        if self._sender is not None:
            return Answer(say.NESTED_MAIL)
        address = _address(argument)
        if address is None:
            return Answer(say.MAIL_SYNTAX)
        self._sender = address
        return Answer(say.SENDER_OK)

    def _rcpt(self, argument: str) -> Answer:
        if self._sender is None:
            return Answer(say.NEED_MAIL)
        address = _address(argument)
        if address is None:
            return Answer(say.RCPT_SYNTAX)
        return Answer(self.recipient_reply, Refusal(self._sender, address, self._protocol, printable(self._helo)))

    def _data(self, argument: str) -> Answer:
        reply = say.DATA_SYNTAX if argument else say.NEED_RCPT if self._sender is None else replies.NO_RECIPIENTS
        return Answer(reply, without_recipient="DATA", ends=True)

    def _bdat(self, argument: str) -> Answer:
        """What follows it is content: the session cannot go on."""
        no_mail = replies.BDAT_WITHOUT_MAIL if self._sender is None else replies.NO_RECIPIENTS
        return Answer(no_mail if argument else replies.BDAT_SYNTAX, without_recipient="BDAT", ends=True)

    def _rset(self, argument: str) -> Answer:
        self._sender = None
        return Answer(say.OK)

    def _noop(self, argument: str) -> Answer:
        return Answer(say.OK)

    def _vrfy(self, argument: str) -> Answer:
        if self._rules.vrfy_disabled:
            return Answer(say.NO_VRFY)
        return Answer(replies.NOT_VERIFIED if argument else say.vrfy_syntax(False))

    def _etrn(self, argument: str) -> Answer:
        return Answer(replies.CANNOT_QUEUE if argument else say.ETRN_SYNTAX)

    def _quit(self, argument: str) -> Answer:
        return Answer(say.BYE, ends=True)


_VERBS: Final[dict[str, Callable[[Engine, str], Answer]]] = {
    "HELO": Engine._hello,
    "EHLO": Engine._hello,
    "STARTTLS": Engine._starttls,
    "MAIL": Engine._mail,
    "RCPT": Engine._rcpt,
    "DATA": Engine._data,
    "BDAT": Engine._bdat,
    "RSET": Engine._rset,
    "NOOP": Engine._noop,
    "VRFY": Engine._vrfy,
    "ETRN": Engine._etrn,
    "QUIT": Engine._quit,
}
_BEFORE_TLS: Final = frozenset({"HELO", "EHLO", "STARTTLS", "NOOP", "QUIT"})


def first_word(text: str) -> str:
    """The word by which a command is known."""
    return (words(text, colon=True) or [""])[0]


def _address(argument: str) -> str | None:
    """The address of `FROM:<address> ...`, as the log has it; None where there is no colon. Nobody will ever send to it."""
    _, colon, rest = argument.partition(":")
    if not colon:
        return None
    rest = rest.strip(SPACE)
    if rest.startswith("<"):
        inside = rest[1:].partition(">")[0]
    else:
        inside = first_word(rest)
    inside = inside[:_LONGEST_NAME]
    known = path(f"<{inside}>") if inside == inside.strip(SPACE) and " " not in inside.partition('"')[0] else None
    return external(inside if known is None else known)


SHOWN: Final = 100
"""Octets of what a client said that the log has."""


def escaped(octets: bytes) -> str:
    r"""The beginning of what was said, as Postfix logs it: C-like escapes for what is not printable ASCII."""
    return octets[:SHOWN].decode("latin-1").translate(_ESCAPES)


_ESCAPES: Final = {
    **{one: f"\\{one:03o}" for one in range(256) if not 32 <= one < 127},
    7: "\\a",
    8: "\\b",
    9: "\\t",
    10: "\\n",
    11: "\\v",
    12: "\\f",
    13: "\\r",
    92: "\\\\",
}
