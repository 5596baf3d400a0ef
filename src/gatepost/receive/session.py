"""An SMTP session: the loop that has commands answered and then says, counts and logs the answers (smtpd(8))."""

import asyncio
import traceback
from collections.abc import Callable
from typing import Final

from gatepost.events.records import Disconnected, Judged, SessionLost
from gatepost.lookup import pattern_time
from gatepost.lookup.port import LookupFailure
from gatepost.net.turns import Turns
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.commands import UNKNOWN, Verb
from gatepost.proto.smtp.replies import ServerReply, softened, wire
from gatepost.proto.smtp.server import CommandLine
from gatepost.receive.answer import CLOSING, Answer, Tally
from gatepost.receive.command_lines import badly_said, filtered, not_now, out_of_step, unknown, warn_of_length
from gatepost.receive.connection import Connection, Gone
from gatepost.receive.footers import footed
from gatepost.receive.opening import open_session
from gatepost.receive.reject_filter import replaced
from gatepost.receive.secrets import MASKED
from gatepost.receive.session_state import END_OF_MESSAGE, SessionState
from gatepost.receive.transcript import LoggedTranscript, NoTranscript, Transcript
from gatepost.receive.verbs import HANDLERS


class Session:
    """One client's conversation. `ended`: told when it is over."""

    __slots__ = (
        "_aborted", "_connection", "_counts", "_dialect", "_ended", "_errors", "_hangup", "_junk", "_leaving", "_state",
        "_transcript", "_troubles", "_turns", "_verbs",
    )  # fmt: skip

    def __init__(self, state: SessionState, connection: Connection, ended: Callable[["Session"], None]) -> None:
        self._state = state
        self._connection = connection
        self._dialect = state.ports.dialect
        self._verbs = state.ports.dialect.verbs
        self._ended = ended
        self._aborted = ""
        self._counts: dict[str, list[int]] = {}
        self._transcript = Transcript() if state.ports.notify_classes else NoTranscript()
        self._troubles: set[str] = set()
        self._turns = Turns()
        self._errors = 0
        self._junk = 0
        self._hangup = False
        self._leaving = False

    # --- from the first octet to the last log line ---

    async def run(self) -> None:
        """The whole session."""
        pattern_time.begin()
        try:
            first = await open_session(self._state)
            if self._state.ports.lookups.debug_peers is not None and await self._state.client_is("debug_peers"):
                self._transcript = LoggedTranscript(self._transcript, self._state.facts.client, self._state.note)
            await self._settle(first)
            await self._converse()
        except Gone as gone:
            if gone.what == "timeout":
                await self._farewell(say.timeout_exceeded(self._host))
            self._log_end(gone.what, gone.octets)
        except LookupFailure:
            await self._without_data()
        except Exception as fault:  # whatever it is, it ends this session and no other
            await self._broken(fault)
        finally:
            self._close()

    async def _converse(self) -> None:
        settings = self._state.settings
        try:
            while not self._hangup:
                errors = self._errors
                if errors >= settings.smtpd_hard_error_limit:
                    await self._farewell(say.too_many_errors(self._host))
                    return self._log_end("too many errors")
                if self._leaving and self.idle:
                    return await self._farewell(say.shutting_down(self._host))
                if not self._connection.unread:
                    self._turns.begin()
                elif self._turns.over():  # thousands of commands may have come in one piece
                    await self._turns.rest()
                self._connection.new_request()
                event = await self._connection.next_event()
                if isinstance(event, CommandLine):
                    await self._answer(event)
                    if errors >= settings.smtpd_soft_error_limit and not self._hangup:
                        await asyncio.sleep(settings.smtpd_error_sleep_time)
        except asyncio.CancelledError:
            if not self._leaving:
                raise
            await self._farewell(say.shutting_down(self._host))

    def leave(self) -> None:
        """End this session as soon as it is idle (reload, stop)."""
        self._leaving = True
        if self.idle and self._state.facts.protocol_state != "CONNECT" and self._connection.waits:
            self.interrupt()  # else its command is answered first

    def interrupt(self) -> None:
        """End this session at once."""
        self._connection.interrupt()

    @property
    def idle(self) -> bool:
        """Between transactions, so that the session can be ended without harm."""
        return self._state.transaction is None

    def _close(self) -> None:
        """Give back what the session held. Whatever breaks, its client goes and its room is free."""
        state, ports = self._state, self._state.ports
        try:
            if state.counted:
                ports.counters.disconnect(ports.name, state.counted)
            state.end_transaction()
            state.end_conversation()
            state.guards.close()
            if state.counted is not None:
                ports.emit(Disconnected(service="smtpd", client=state.facts.client, counts=self._final_counts()))
        finally:
            self._connection.end()
            self._ended(self)
        if self._troubles & ports.notify_classes and ports.lookups.report is not None:
            subject = f"{state.settings.mail_name} SMTP server: errors from {state.facts.client}"
            ports.lookups.report(subject, self._transcript.text(self._aborted))

    def _final_counts(self) -> tuple[tuple[str, int, int], ...]:
        counts = self._counts
        names = (*self._verbs, UNKNOWN.name)
        return tuple([(name.lower(), counts[name][0], counts[name][1]) for name in names if name in counts])

    # --- commands ---

    async def _answer(self, command: CommandLine) -> None:
        state, lookups = self._state, self._state.ports.lookups
        verb = self._verbs.get(command.verb)
        plain = verb is not None and verb.shown_words is None
        self._transcript.heard(command.line if plain else state.secrets.shown(command.line))
        if command.overlong:
            warn_of_length(state, command)
        if lookups.command_filter is not None:
            command = await filtered(state, command)
            verb = self._verbs.get(command.verb)
        if verb is not None and (verb.shown_words is not None or state.secrets.expected):
            state.secrets.heard(verb)  # also of a line that is refused below: its client may send the response all the same
        refusal = badly_said(state, command)
        if refusal is not None:
            await self._settle(refusal)
        elif lookups.noop is not None and await lookups.noop(command.verb):
            self._count_junk()
            await self._settle(_NOOP)
        elif verb is not None:
            await self._dispatch(verb, command)
        else:
            state.facts.protocol_state = UNKNOWN.name
            await self._settle(await unknown(state, command), self._count(UNKNOWN))

    async def _dispatch(self, verb: Verb, command: CommandLine) -> None:
        state, count = self._state, self._count(verb)
        refusal = not_now(state, verb)
        if refusal is not None:
            return await self._settle(refusal)
        state.facts.protocol_state = verb.name
        if state.wire.core.pending and (refusal := out_of_step(state, verb)) is not None:
            return await self._settle(refusal)
        await self._settle(await HANDLERS[verb.handler](state, command), count)
        if verb.junk:
            self._count_junk()
        return None

    def _count(self, verb: Verb) -> list[int]:
        """One command more: the counts of its verb, successful and all."""
        count = self._counts.get(verb.name)
        if count is None:
            count = self._counts[verb.name] = [0, 0]
        count[1] += 1
        return count

    def _count_junk(self) -> None:
        if self._junk > self._state.settings.smtpd_junk_command_limit:
            self._errors += 1
        self._junk += 1

    # --- answers ---

    async def _settle(self, answer: Answer, count: list[int] | None = None) -> None:
        """Log an answer, say it, do to the transaction what it does, and go on where it goes on; then count. `count`: of its
        verb."""
        while True:
            if answer.log or answer.trouble or answer.tally is Tally.MESSAGE:
                self._log(answer)
            reply = answer.reply
            if reply is not None:
                usual = reply.code < 400 and not (answer.ends_message and self._dialect.answers_each_recipient)  # as it stands
                self._say(wire(reply) if usual else await self._octets(answer, reply))
            if answer.effect is not None:
                self._state.apply(answer.effect)
            self._state.facts.recipient = None
            self._hangup |= answer.hangs_up or self._state.dismissed
            if answer.then is not None:
                answer = await answer.then()
            elif answer.asks is not None:
                answer = await answer.asks(await self._asked_line())
            else:
                break
        if answer.tally is Tally.ERROR:
            self._errors += 1
        elif answer.tally is not Tally.NEITHER and count is not None:
            count[0] += 1

    async def _asked_line(self) -> CommandLine:
        """The line that a client was asked for, which nobody else may read (RFC 4954 §4). Raises Gone."""
        self._connection.core.read_response(self._state.settings.smtpd_sasl_response_limit)
        event = await self._connection.next_event()
        assert isinstance(event, CommandLine)
        self._transcript.heard(MASKED)
        return event

    def _log(self, answer: Answer) -> None:
        state = self._state
        for event in answer.log:
            state.ports.emit(event)
        if answer.rejects and answer.outcome is not None:
            state.ports.emit(state.rejection(answer.outcome))
        if answer.trouble:
            self._troubles.add(answer.trouble)
        elif answer.tally is Tally.MESSAGE:
            self._junk = self._errors = 0
            self._troubles.clear()

    async def _octets(self, answer: Answer, reply: ServerReply) -> bytes:
        """An answer as sent: a refusal has its footer, and the end of a message in LMTP a reply for each recipient."""
        if not (answer.ends_message and self._dialect.answers_each_recipient):
            return await self._one(reply)
        if answer.each:
            return b"".join([await self._one(each) for each in answer.each])
        transaction = self._state.transaction
        return await self._one(reply) * max(len(transaction.recipients) if transaction is not None else 1, 1)

    async def _one(self, reply: ServerReply) -> bytes:
        """A reply as sent. 421 and 521 also end the session (RFC 5321 §3.8, RFC 7504)."""
        if not reply.refuses:
            return wire(reply)
        if self._state.settings.soft_bounce:
            reply = softened(reply)
        try:
            if self._state.ports.lookups.reject_filter is not None:
                reply = await replaced(self._state, reply)
            self._hangup |= reply.code in CLOSING
            return await footed(self._state, reply)
        except asyncio.CancelledError:
            self._say(wire(reply))  # what was decided is said before the end
            raise

    def _say(self, octets: bytes) -> None:
        self._connection.write(octets)
        self._transcript.said(octets)

    # --- ends ---

    @property
    def _host(self) -> str:
        return self._state.settings.myhostname

    async def _farewell(self, reply: ServerReply) -> None:
        """A last reply; where the end of a message waits for its answer, it is that."""
        await self._settle(Answer(reply, ends_message=self._state.facts.protocol_state == END_OF_MESSAGE))

    async def _without_data(self) -> None:
        """A table that the session cannot go on without does not answer, as the log has said by now."""
        facts, reply = self._state.facts, say.data_error(self._host)
        self._troubles.add("data")
        self._state.ports.emit(Judged("smtpd", facts.queue_id, "reject", facts.protocol_state, facts.client, reply.line, ""))
        await self._farewell(reply)

    async def _broken(self, fault: Exception) -> None:
        """A fault of ours: the client may try again, the log says where it was."""
        place = traceback.extract_tb(fault.__traceback__)[-1]
        where = f"{place.filename.rpartition('/')[2]}:{place.lineno}"
        self._troubles.add("software")
        client = self._state.facts.client
        self._state.note(f"session with {client} failed: {type(fault).__name__}: {fault} ({where})", "error")
        context = {"message": f"session with {client} failed", "exception": fault}
        asyncio.get_running_loop().call_exception_handler(context)  # tells the trace
        await self._farewell(say.software_error(self._host))

    def _log_end(self, what: str, octets: int | None = None) -> None:
        """`lost connection after DATA (20 bytes) from client`; nothing is said after an end of data."""
        self._aborted = what
        facts = self._state.facts
        if facts.protocol_state != END_OF_MESSAGE:
            after = facts.protocol_state if octets is None else f"{facts.protocol_state} ({octets} bytes)"
            self._state.ports.emit(SessionLost(service="smtpd", what=what, after=after, client=facts.client))


_NOOP: Final = Answer(say.OK)
