"""A client in the engine of postscreen: its lines are read, judged and answered, so many of them, each within a time limit."""

import contextlib
import time
from typing import Final

from gatepost.events.records import HungUp, Judged, Note, RuleBroken, Screened
from gatepost.lookup.port import LookupFailure
from gatepost.mail.ascii_text import SPACE, elements, upper
from gatepost.mail.expansion_filter import passed
from gatepost.mail.reason import because
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.replies import ServerReply, wire, with_footer
from gatepost.receive.connection import Connection, Gone
from gatepost.receive.hello import discarded_words
from gatepost.receive.postscreen import replies
from gatepost.receive.postscreen.engine import Answer, Engine, EngineRules, Fault, Line, Refusal, TooLong, first_word
from gatepost.receive.postscreen.port import Ports
from gatepost.receive.postscreen.results import Test
from gatepost.receive.postscreen.screening import Drop, Screening
from gatepost.receive.postscreen.settings import PostscreenSettings
from gatepost.receive.postscreen.starttls import secure

_SERVICE: Final = "postscreen"
PHASE: Final = "after SMTP handshake"


def engine_rules(settings: PostscreenSettings, ports: Ports) -> EngineRules:
    """The rules of every engine of a service."""
    return EngineRules(
        host=settings.myhostname,
        line_limit=settings.line_length_limit,
        size_limit=settings.message_size_limit,
        smtputf8=settings.smtputf8_enable,
        helo_required=settings.postscreen_helo_required,
        vrfy_disabled=settings.postscreen_disable_vrfy_command,
        vrfy_offered=not settings.disable_vrfy_command,
        tls=ports.tls is not None,
        tls_required=ports.tls_required,
    )


class Dialogue:
    """One client in the engine."""

    def __init__(self, screening: Screening, settings: PostscreenSettings, rules: EngineRules, ports: Ports, address: str) -> None:
        self._screening = screening
        self._settings = settings
        self._ports = ports
        self._address = address
        self._engine = Engine(rules, screening.watched)
        self._engine.recipient_reply = screening.recipient_reply
        self._commands = 0

    async def run(self, connection: Connection) -> None:
        """Speak with it until the end. Never raises for what a client does."""
        began = self._ports.clock()
        try:
            connection.time_limit(self._settings.postscreen_command_time_limit, whole_request=True)
            if not self._screening.greeted_early:
                connection.write(wire(say.banner(self._settings.smtpd_banner)))
            await self._converse(connection)
        except Gone as gone:
            if gone.what == "timeout":
                self._limit("COMMAND TIME LIMIT", self._engine.verb)
                connection.write(wire(say.timeout_exceeded(self._settings.myhostname)))
            else:
                self._hung_up(began)
        except OSError:  # the handshake failed
            self._hung_up(began)

    def _hung_up(self, began: float) -> None:
        self._ports.emit(HungUp(_SERVICE, self._screening.client, self._ports.clock() - began, PHASE))

    async def _converse(self, connection: Connection) -> None:
        engine, core = self._engine, connection.core
        while not engine.over:
            if not core.pending:
                await connection.more()
            engine.feed(core.peek(core.pending))
            core.purge()
            for told in engine.lines():
                await self._hear(connection, told)
                connection.new_request()
                if engine.over:
                    break

    async def _hear(self, connection: Connection, told: Fault | TooLong | Line) -> None:
        if isinstance(told, TooLong):
            await self._unavailable(connection, "COMMAND LENGTH LIMIT", told.after)
        elif isinstance(told, Fault):
            await self._judge(connection, told)
        else:
            await self._command(connection, told.text)

    async def _command(self, connection: Connection, text: str) -> None:
        self._commands += 1
        if self._commands > self._settings.postscreen_command_count_limit:
            await self._unavailable(connection, "COMMAND COUNT LIMIT", self._engine.verb)
            return
        text = await self._filtered(text)
        fault = self._engine.non_smtp(text, await self._forbidden(text))
        if fault is not None:
            await self._judge(connection, fault)
            if self._engine.over:
                return
        if upper(text[:4]) == "EHLO":
            await self._learn_discarded()
        answer = self._engine.answer(text)
        if self._engine.seen_recipient:
            self._screening.passed_engine(self._ports.clock())
        await self._carry_out(connection, answer)

    async def _carry_out(self, connection: Connection, answer: Answer) -> None:
        await self._say(connection, answer.reply)
        if answer.refusal is not None:
            self._log_refusal(answer.refusal, answer.reply)
        if answer.without_recipient:
            self._ports.emit(Screened(_SERVICE, f"{answer.without_recipient} without valid RCPT from", self._screening.client))
        if answer.starts_tls:
            tls = self._ports.tls
            assert tls is not None, "else it is not offered"
            refusal = await secure(connection, tls, self._settings, self._ports, self._screening.client, self._address)
            self._engine.purge()
            if refusal is not None:
                await self._say(connection, refusal)
                self._engine.over = True
        self._engine.over |= answer.ends

    async def _judge(self, connection: Connection, fault: Fault) -> None:
        """A test is failed; once is enough."""
        self._engine.watched -= {fault.test}
        outcome = self._screening.fault(fault, self._ports.clock())
        self._engine.recipient_reply = self._screening.recipient_reply
        if isinstance(outcome, Drop):
            await self._say(connection, outcome.reply)
            self._engine.over = True

    async def _unavailable(self, connection: Connection, what: str, after: str) -> None:
        self._limit(what, after)
        await self._say(connection, replies.limit_reached(self._settings.myhostname))
        self._engine.over = True

    def _limit(self, what: str, after: str) -> None:
        self._ports.emit(RuleBroken(_SERVICE, what, self._screening.client, after, why=because(_LIMITS[what])))

    def _log_refusal(self, refusal: Refusal, reply: ServerReply) -> None:
        context = f"from=<{refusal.sender}>, to=<{refusal.recipient}>, proto={refusal.protocol}, helo=<{refusal.helo}>"
        self._ports.emit(Judged(_SERVICE, "", "reject", "RCPT", self._screening.client, reply.line, context))

    # --- asking ---

    async def _filtered(self, text: str) -> str:
        replace = self._ports.lookups.command_filter
        if replace is None:
            return text
        new: str | None = None
        with contextlib.suppress(LookupFailure):  # the log has it; nothing comes of any command here
            new = await replace(text)
        if new is None:
            return text
        new = new.strip(SPACE)
        self._ports.emit(Note(_SERVICE, f'{self._screening.client}: replacing command "{text[:100]}" with "{new[:100]}"'))
        return new

    async def _forbidden(self, text: str) -> bool:
        if Test.NON_SMTP not in self._engine.watched:
            return False
        try:
            return await self._ports.lookups.forbidden(first_word(text))
        except LookupFailure:
            return False

    async def _learn_discarded(self) -> None:
        """postscreen_discard_ehlo_keyword_address_maps, else postscreen_discard_ehlo_keywords."""
        text: str | None = None
        if self._ports.lookups.discard_keywords is not None:
            with contextlib.suppress(LookupFailure):
                text = await self._ports.lookups.discard_keywords(self._address)
        listed = self._settings.postscreen_discard_ehlo_keywords if text is None else text
        self._engine.discarded = frozenset(elements(upper(listed)))
        if text is not None and (dropped := discarded_words(self._engine.discarded)):
            self._ports.emit(Note(_SERVICE, f"{self._screening.client}: discarding EHLO keywords: {dropped}"))

    # --- saying ---

    async def _say(self, connection: Connection, reply: ServerReply) -> None:
        connection.write(await footed(reply, self._settings, self._ports, self._address, self._screening.client))
        connection.flush()


_LIMITS: Final = {
    "COMMAND LENGTH LIMIT": "line_length_limit",
    "COMMAND COUNT LIMIT": "postscreen_command_count_limit",
    "COMMAND TIME LIMIT": "postscreen_command_time_limit",
}


async def footed(reply: ServerReply, settings: PostscreenSettings, ports: Ports, address: str, client: str) -> bytes:
    """A reply as sent: a refusal with its footer (postscreen_reject_footer, postscreen_reject_footer_maps)."""
    footer, find = settings.postscreen_reject_footer, ports.lookups.footer
    if reply.code < 400 or not (footer or find):
        return wire(reply)
    if find is not None:
        with contextlib.suppress(LookupFailure):  # the log has it; the refusal is what counts
            footer = await find(reply.line) or footer
    macros = {
        "client": client,
        "client_address": address,
        "client_port": client.rpartition(":")[2],
        "localtime": time.strftime("%b %d %H:%M:%S", time.localtime(ports.clock())),
        "server_name": settings.myhostname,
    }
    return with_footer(reply, footer, {name: passed(value, settings.postscreen_expansion_filter) for name, value in macros.items()})
