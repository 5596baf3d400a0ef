"""An SMTP session: the loop that answers commands through the verb table, its counts, limits and log lines (smtpd(8))."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from gatepost.events.records import Connected, Disconnected, Event, Judged, Note, SessionLost
from gatepost.lookup import pattern_time
from gatepost.lookup.port import LookupFailure
from gatepost.mail.address import external
from gatepost.mail.outcome import Outcome
from gatepost.net.turns import Turns
from gatepost.policy.port import PERMIT, Action, Facts, Stage
from gatepost.proto.smtp import replies
from gatepost.proto.smtp.commands import UNKNOWN, Verb
from gatepost.proto.smtp.data import LineEnds
from gatepost.proto.smtp.grammar import is_header, printable, words
from gatepost.proto.smtp.server import Command
from gatepost.proto.smtp.server import Event as ProtocolEvent
from gatepost.receive.connection import Connection, Gone
from gatepost.receive.footers import Waiting, footed, footer_macros
from gatepost.receive.settings import SmtpdSettings
from gatepost.receive.transcript import Transcript
from gatepost.state.port import Rate

if TYPE_CHECKING:
    from gatepost.receive.smtpd import SmtpdService
    from gatepost.receive.transaction import Forwarded, Transaction

Handler = Callable[["Session", Command], Awaitable[bool | None]]
"""Answers one verb. False counts as an error of the client, None as neither success nor error."""

END_OF_MESSAGE: Final = "END-OF-MESSAGE"
_LOGGED_OCTETS: Final = 100
RATE_NAMES: Final = {
    Rate.CONNECTION: "Connection",
    Rate.MESSAGE: "Message delivery request",
    Rate.RECIPIENT: "Recipient address",
    Rate.TLS_SESSION: "New TLS session",
    Rate.AUTH: "AUTH command",
}


class Session:
    """One client's conversation. `facts` is what policy sees; `transaction` exists from MAIL to the end of the message.
    `repeats`: how often a reply is said; more than once at the end of a message in LMTP. `spoiled`: a chunk was refused, with a
    transaction or without; all up to the last one will be thrown away."""

    __slots__ = (
        "_aborted", "_counted", "_ended", "_junk", "_known", "_refused", "_to_go", "_waiting", "actions", "client_lists",
        "connection", "counts", "ehlo_discard", "errors", "facts", "forwarded", "handlers", "hangup", "line_ends",
        "progress", "repeats", "rewrite_context", "service", "settings", "spoiled", "transaction", "transcript", "troubles",
        "where",
    )  # fmt: skip

    def __init__(self, service: "SmtpdService", connection: Connection, settings: SmtpdSettings) -> None:
        self.service = service
        self.connection = connection
        self.settings = settings
        self.handlers: Mapping[str, Handler] = service.handlers
        self.facts = Facts()
        self.facts.shows_port = settings.smtpd_client_port_logging
        self.transaction: Transaction | None = None
        self.forwarded: Forwarded | None = None
        self.actions: list[Action] = []
        self.counts: dict[str, list[int]] = {}
        self.client_lists: dict[str, bool] = {}
        self.ehlo_discard: frozenset[str] = frozenset()
        self.line_ends = LineEnds.STRICT
        self.rewrite_context = "remote"
        self.where = "CONNECT"
        self.progress: int | None = None
        self.repeats = 1
        self.spoiled = False
        self.transcript: Transcript = service.new_transcript()
        self.troubles: set[str] = set()
        self.errors = 0
        self.hangup = False
        self._junk = 0
        self._refused = False
        self._counted = ""
        self._known = False
        self._aborted = ""
        self._ended = False
        self._to_go = False
        self._waiting: list[Waiting] = []

    @property
    def idle(self) -> bool:
        """Between transactions, so that the session can be ended without harm."""
        return self.transaction is None

    @property
    def chunking(self) -> bool:
        """BDAT has begun: neither MAIL nor RCPT nor DATA may follow (RFC 3030 §2)."""
        return self.spoiled or (self.transaction is not None and self.transaction.bdat is not None)

    # --- saying things ---

    def say(self, octets: bytes) -> None:
        """Send the lines of a reply."""
        self.connection.write(octets)
        self.transcript.said(octets)

    def reply(self, text: str) -> None:
        """Answer with a one-line reply. 421 and 521 also end the session (RFC 5321 §3.8, RFC 7504)."""
        if text[0] in "23" and not self._waiting:
            self.say(replies.wire(text) * self.repeats)
            return
        if self.settings.soft_bounce:
            text = _softened(text)
        self.hangup |= text[:3] in ("421", "521")
        footer = self.settings.smtpd_reject_footer
        if self._waiting or self.service.surroundings.footer is not None:
            self._waiting.append(Waiting(text, self.repeats, footer_macros(self)))
        elif footer:
            self.say(replies.with_footer(text, footer, footer_macros(self)) * self.repeats)
        else:
            self.say(replies.wire(text) * self.repeats)

    def refuse(self, text: str) -> bool:
        """Answer with `text` to what the protocol does not allow; the value of a handler that failed."""
        self.troubles.add("protocol")
        self.reply(text)
        return False

    def note(self, text: str, severity: str = "") -> None:
        """A line for the log."""
        self.emit(Note(service="smtpd", text=text, severity=severity))

    def emit(self, event: Event) -> None:
        self.service.emit(event)

    def log_judged(self, action: str, text: str, where: str = "") -> None:
        """`QID: reject: RCPT from client: text; from=<> to=<> proto= helo=<>`."""
        facts = self.facts
        context = [f"from=<{external(facts.sender)}>"] if facts.sender is not None else []
        if facts.recipient is not None:
            context.append(f"to=<{external(facts.recipient)}>")
        context.append(f"proto={facts.protocol_name}")
        if facts.helo_name is not None:
            context.append(f"helo=<{facts.helo_name}>")
        self.emit(
            Judged(
                service="smtpd", queue_id=facts.queue_id, action=action, where=where or self.where, client=facts.client,
                text=text, context=" ".join(context),
            )
        )  # fmt: skip

    # --- asking ---

    async def judge(self, stage: Stage) -> bool:
        """Whether policy lets the client go on; if not, the client has been told and the log as well."""
        if self.actions and any(action.kind == "discard" for action in self.actions):
            return True
        verdict = await self.service.policy.check(stage, self.facts)
        if verdict is PERMIT:
            return True
        for action in verdict.actions:
            self._note_action(action)
        if verdict.outcome is None:
            return True
        self.reject(verdict.outcome, verdict.outcome.origin or "policy")
        self.hangup |= verdict.disconnect
        return False

    def reject(self, outcome: Outcome, trouble: str = "policy") -> None:
        """Tell client and log that `outcome` is the answer. `trouble`: its class (notify_classes)."""
        self.troubles.add(trouble)
        text = replies.text_of(outcome)
        self.log_judged("reject", text)
        self.reply(text)

    def _note_action(self, action: Action) -> None:
        held = action.kind == "hold" and any(earlier.kind == "hold" for earlier in self.actions)
        self.actions.append(action)
        if not held and (text := _action_text(action)) is not None:
            self.log_judged(action.kind, text, action.where)

    async def client_is(self, name: str) -> bool:
        """Whether the client is in one of the surroundings' lists; asked once for each client address. Raises LookupFailure."""
        known = self.client_lists.get(name)
        if known is None:
            known = await getattr(self.service.surroundings, name)(self.facts.client_name, self.facts.client_address)
            self.client_lists[name] = known
        return known

    async def within_rate(self, kind: Rate) -> bool:
        """Count one more of these; whether the limit (`smtpd_client_*_rate_limit`) still allows it."""
        limit = self.service.rate_limits.get(kind, 0)
        if not limit or not self._counted or await self.client_is("event_exceptions"):
            return True
        rate = await self.service.counters.count(kind, self.service.name, self._counted)
        if rate > limit:
            text = f"{RATE_NAMES[kind]} rate limit exceeded: {rate} from {self.facts.client} for service {self.service.name}"
            self.note(text, "warning")
        return rate <= limit

    async def next_event(self) -> ProtocolEvent:
        """The next event of the protocol. Raises Gone."""
        core = self.connection.core
        if self._waiting:
            await self._say_waiting()
        while (event := core.next_event()) is None:
            await self.connection.more()
        return event

    async def _say_waiting(self) -> None:
        """Say what waited for its footer to be looked up."""
        while self._waiting:
            self.say(await footed(self, self._waiting[0]))  # still the first when this is interrupted
            del self._waiting[0]

    # --- the life of a session ---

    async def run(self, opening: Callable[["Session"], Awaitable[bool]]) -> None:
        """From the first octet to the last log line. `opening` greets the client; False: do not go on."""
        pattern_time.begin()
        try:
            await self._live(opening)
            await self._say_waiting()
        finally:
            self._close()

    async def _live(self, opening: Callable[["Session"], Awaitable[bool]]) -> None:
        try:
            if await opening(self):
                await self._converse()
        except Gone as gone:
            self._lost(gone)
        except LookupFailure:
            self._without_data()
        except Exception as fault:  # whatever it is, it ends this session and no other
            self._broken(fault)

    def _without_data(self) -> None:
        """A table that the session cannot go on without does not answer, as the log has said by now."""
        text = f"421 4.3.0 {self.settings.myhostname} Server local data error"
        facts = self.facts
        self.troubles.add("data")
        self.emit(Judged("smtpd", facts.queue_id, "reject", self.where, facts.client, text, ""))
        self.reply(text)

    def _broken(self, fault: Exception) -> None:
        """A fault of ours: the client may try again, the log says where it was."""
        place = traceback.extract_tb(fault.__traceback__)[-1]
        where = f"{place.filename.rpartition('/')[2]}:{place.lineno}"
        self.troubles.add("software")
        self.note(f"session with {self.facts.client} failed: {type(fault).__name__}: {fault} ({where})", "error")
        context = {"message": f"session with {self.facts.client} failed", "exception": fault}
        asyncio.get_running_loop().call_exception_handler(context)  # tells the trace
        self.reply(f"421 4.3.0 {self.settings.myhostname} Server local error")

    def _lost(self, gone: Gone) -> None:
        if gone.what == "timeout":
            self.reply(f"421 4.4.2 {self.settings.myhostname} Error: timeout exceeded")
        self.log_end(gone.what)

    def log_end(self, what: str) -> None:
        """`lost connection after DATA (20 bytes) from client`; nothing is said after an end of data."""
        self._aborted = what
        if self.where != END_OF_MESSAGE:
            after = self.where if self.progress is None else f"{self.where} ({self.progress} bytes)"
            self.emit(SessionLost(service="smtpd", what=what, after=after, client=self.facts.client))

    def _close(self) -> None:
        if self._ended:
            return
        self._ended = True
        self.end_transaction()
        if self._counted:
            self.service.counters.disconnect(self.service.name, self._counted)
        if self._known:
            self.emit(Disconnected(service="smtpd", client=self.facts.client, counts=self._final_counts()))
        self.connection.end()
        self.service.forget(self)
        if self.troubles & self.service.notify_classes:
            self.service.report(
                f"{self.settings.mail_name} SMTP server: errors from {self.facts.client}", self.transcript.text(self._aborted)
            )

    def _final_counts(self) -> tuple[tuple[str, int, int], ...]:
        counts = self.counts
        return tuple([(name.lower(), counts[name][0], counts[name][1]) for name in self.service.counted if name in counts])

    def connected(self, counted: str) -> None:
        """The client is known: say so. `counted`: its key with the connection counters, empty where it is not counted."""
        self._counted, self._known = counted, True
        pattern_time.current().client = self.facts.client_address
        self.emit(Connected(service="smtpd", client=self.facts.client))

    async def greet(self) -> None:
        """The banner, or what policy says instead (`smtpd_delay_reject = no`)."""
        self._refused = not await self.judge(Stage.CLIENT)
        if self._refused:
            self.errors += 1
        else:
            self.reply(f"220 {self.settings.smtpd_banner}")

    def leave(self) -> None:
        """End this session as soon as it is idle (reload, stop)."""
        self._to_go = True
        if self.idle and self.where != "CONNECT" and self.connection.waits:  # else its command is answered first
            self.connection.interrupt()

    def dismiss(self) -> None:
        """The 421 of an orderly stop."""
        self.reply(f"421 4.3.2 {self.settings.myhostname} Error: server is shutting down")

    async def _converse(self) -> None:
        limit, turns = self.settings.smtpd_hard_error_limit, Turns()
        while not self.hangup:
            if self.errors >= limit:
                self.reply(f"421 4.7.0 {self.settings.myhostname} Error: too many errors")
                return self.log_end("too many errors")
            if self._to_go and self.idle:
                return self.dismiss()
            if not self.connection.unread:
                turns.begin()
            elif turns.over():  # thousands of commands may have come in one piece
                await turns.rest()
            self.connection.new_request()
            try:
                event = await self.next_event()
            except asyncio.CancelledError:
                if not self._to_go:
                    raise
                return self.dismiss()
            if isinstance(event, Command):
                await self._answer(event)
        return None

    async def _answer(self, command: Command) -> None:
        settings, errors = self.settings, self.errors
        self.transcript.heard(command.line)
        if command.overlong:
            said = _beginning(printable(command.line), 30)
            self.note(f"{self.facts.client}: request longer than {settings.line_length_limit}: {said}...", "warning")
        if self.service.filters_commands:
            command = await self._filtered(command)
        verb, noop = self.service.verbs.get(command.verb), self.service.surroundings.noop
        if not self._well_said(command):
            self.errors += not self.hangup
        elif noop is not None and await noop(command.verb):
            self._count_junk()
            self.reply("250 2.0.0 Ok")
        elif verb is not None:
            await self._dispatch(verb, command)
        else:
            await self._unknown(command)
        if errors >= settings.smtpd_soft_error_limit and not self.hangup:
            await asyncio.sleep(settings.smtpd_error_sleep_time)

    async def _filtered(self, command: Command) -> Command:
        """What smtpd_command_filter makes of `command`."""
        replaced = await self.service.filtered(command)
        if replaced is not command:
            before, after = _beginning(command.line, _LOGGED_OCTETS), _beginning(replaced.line, _LOGGED_OCTETS)
            self.note(f'{self.facts.client}: replacing command "{before}" with "{after}"')
        return replaced

    def _well_said(self, command: Command) -> bool:
        """What is wrong with the line as a line."""
        if command.bare_newline and self.line_ends is LineEnds.REJECT:
            self.log_judged("reject", "bare <LF> received")
            code = self.settings.smtpd_forbid_bare_newline_reject_code
            self.reply(f"{code} 5.5.2 {self.settings.myhostname} Error: bare <LF> received")
            self.hangup = True
            return False
        if not command.utf8 and self.settings.smtputf8_enable:
            return self.refuse("500 5.5.2 Error: bad UTF-8 syntax")
        if not command.verb:
            return self.refuse("500 5.5.2 Error: bad syntax")
        return True

    async def _dispatch(self, verb: Verb, command: Command) -> None:
        count = self.counts.get(verb.name)
        if count is None:
            count = self.counts[verb.name] = [0, 0]
        count[1] += 1
        if self._refused and not verb.open_door:
            self.errors += 1
            return self.reply(f"503 5.7.0 Error: access denied for {self.facts.client}")
        if self.service.requires_tls and not verb.before_tls and not self.facts.tls_protocol:
            self.errors += 1
            return self.reply("530 5.7.0 Must issue a STARTTLS command first")
        self.where, self.progress = verb.name, None
        self.facts.protocol_state = verb.name
        if self.connection.core.pending and self._out_of_step(verb):
            return None
        answered = await self.handlers[verb.handler](self, command)
        if answered:
            count[0] += 1
        elif answered is not None:
            self.errors += 1
        if verb.junk:
            self._count_junk()
        return None

    def _count_junk(self) -> None:
        if self._junk > self.settings.smtpd_junk_command_limit:
            self.errors += 1
        self._junk += 1

    def delivered(self) -> None:
        """A message was accepted: earlier junk and errors are forgiven, and nobody is told of them (notify_classes)."""
        self._junk = self.errors = 0
        self.troubles.clear()

    def _out_of_step(self, verb: Verb) -> bool:
        """A client that talks before it can know the answer (RFC 2920 §3.1). True where that ends the session."""
        facts = self.facts
        if facts.unauth_pipelining or (facts.protocol_name == "ESMTP" and not verb.last):
            return False
        facts.unauth_pipelining = True
        sample = _escaped(self.connection.core.peek(_LOGGED_OCTETS))
        self.note(f"improper command pipelining after {verb.name} from {facts.client}: {sample}")
        if self.settings.smtpd_forbid_unauth_pipelining:
            self.reply("554 5.5.0 Error: SMTP protocol synchronization")
            self.hangup = True
        return self.hangup

    async def _unknown(self, command: Command) -> None:
        word = (words(command.line) or [""])[0]
        self.counts.setdefault(UNKNOWN.name, [0, 0])[1] += 1
        self.where, self.progress = UNKNOWN.name, None
        if is_header(word) or await self.service.surroundings.forbidden(word):
            self.note(f"non-SMTP command from {self.facts.client}: {printable(command.line)[:100]}", "warning")
            self.hangup = True
            return self.reply("221 2.7.0 Error: I can break rules, too. Goodbye.")
        self.errors += 1
        if self._refused:
            return self.reply(f"503 5.7.0 Error: access denied for {self.facts.client}")
        return self.reply("500 5.5.2 Error: command not recognized")

    def end_transaction(self) -> None:
        """Forget sender, recipients and content."""
        transaction, self.transaction = self.transaction, None
        facts = self.facts
        if transaction is not None:
            transaction.abort()
            facts.sender = facts.recipient = None
            facts.recipient_count = facts.message_size = 0
            facts.queue_id = facts.instance = facts.body_type = ""
            facts.smtputf8 = False
            facts.sasl_sender = ""
        self.spoiled = False
        self.forwarded = None
        self.actions.clear()


def _softened(text: str) -> str:
    """A refusal for good as one for now (`soft_bounce`)."""
    if text[0] != "5":
        return text
    return f"4{text[1:4]}4{text[5:]}" if text[4:6] == "5." else f"4{text[1:]}"


_TRIGGERS: Final = {"hold": "action", "discard": "action", "filter": "", "redirect": "", "bcc": ""}
_AS_TOLD: Final = frozenset({"warn", "info", "reject_warning"})


def _action_text(action: Action) -> str | None:
    """What the log says of an action, None where it says nothing."""
    if action.kind in _AS_TOLD:
        return action.value
    if (word := _TRIGGERS.get(action.kind)) is None:
        return None
    if word and action.value:
        return f"{action.what} {action.value}"
    return f"{action.what} triggers {action.kind.upper()} {action.value or word}"


def _beginning(text: str, octets: int) -> str:
    """As much of a text as a log line takes."""
    return text.encode("utf-8", "surrogateescape")[:octets].decode("utf-8", "ignore")


def _escaped(octets: bytes) -> str:
    """Octets as Postfix logs them: C escapes, printable text as it is."""
    text = octets.decode("utf-8", "replace")
    return "".join(_C_ESCAPES.get(c) or (c if c.isprintable() else f"\\{ord(c):03o}") for c in text)


_C_ESCAPES: Final = {"\r": "\\r", "\n": "\\n", "\t": "\\t", "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\v": "\\v", "\a": "\\a"}
