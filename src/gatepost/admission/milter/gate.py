"""A milter as a gate. Its guard keeps one connection for each session, as Postfix does, and what the filter has decided for good.

Until a filter answers its default action holds: cannot be reached, slow, garbage, gone in the middle of an answer. Then the log
has one line for it, the connection is given up, and what is left of the message has that action, too; the next message of the
session is a new beginning.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct, structs

from gatepost.admission.draft import EditImpossible
from gatepost.admission.edits import Edit
from gatepost.admission.milter import verdicts
from gatepost.admission.milter.content import Telling
from gatepost.admission.milter.editing import Editing, NewBody
from gatepost.admission.milter.header_checks import HeaderChecks
from gatepost.admission.milter.macros import Macros
from gatepost.admission.milter.settings import NamedMilter
from gatepost.admission.port import NOTHING_FOUND, FailureAction, Finding, ProtocolStage, Severity, View
from gatepost.lookup.port import LookupFailure
from gatepost.mail.address import from_bytes
from gatepost.mail.reason import Reason
from gatepost.net.stream_client import Session, StreamClient
from gatepost.net.stream_port import StreamFailure, TimeLimits, Trouble
from gatepost.policy.port import Action
from gatepost.proto.exchange import Exchange
from gatepost.proto.milter import commands
from gatepost.proto.milter.answers import Answer, Quarantine, Verdict
from gatepost.proto.milter.conversation import Conversation, Edits
from gatepost.proto.milter.negotiation import OFFERS, Negotiation, Step
from gatepost.proto.smtp.grammar import printable
from gatepost.proto.smtp.replies import reply_of

P = ProtocolStage

_COMMANDS: Final = {
    P.CONNECT: commands.CONNECT, P.HELO: commands.HELO, P.MAIL: commands.MAIL, P.RCPT: commands.RCPT,
    P.REFUSED_RCPT: commands.RCPT, P.DATA: commands.DATA, P.UNKNOWN: commands.UNKNOWN,
}  # fmt: skip
_OF_SESSION: Final = frozenset((P.CONNECT, P.HELO))
"""Stages whose verdict holds for the session. The client hears of it later, at the commands that come."""
_ECHOES: Final = frozenset((P.STARTTLS, P.AUTH, P.VRFY, P.ETRN))
"""Commands of which no filter is told; one that has refused the client has refused these, too."""
_STAGES: Final = frozenset((*_COMMANDS, *_ECHOES, P.END_OF_MESSAGE))

_STEPS: Final = {**{stage: f"SMFIC_{stage.value}" for stage in P}, P.REFUSED_RCPT: "SMFIC_RCPT", P.END_OF_MESSAGE: "SMFIC_BODYEOB"}
"""How the protocol calls a step, for the log."""

_PATIENCE: Final = 10
"""Time limits that a filter may take which says that it is still at work."""

_REASON: Final = 1000
"""Octets of why a message is to be held, which are kept with it."""

_LEAVING: Final = 421
"""The code of a reply that the client hears at once, as it ends the session."""


class Milter(Struct, frozen=True):
    """A filter, and what is the same for all its sessions.

    named: name, server and options.
    client: opens connections to it.
    macros: what it is told beside commands.
    header_checks: judge what it adds (milter_header_checks), None where nobody does.
    body_limit: octets of another body, 0 for any number (message_size_limit).
    warn: a line for the log.
    """

    named: NamedMilter
    client: StreamClient
    macros: Macros
    header_checks: HeaderChecks | None
    body_limit: int
    warn: Callable[[str], None]


class MilterGate:
    """Where a filter's guards stand."""

    stages = _STAGES
    time_limit = None

    def __init__(self, milter: Milter) -> None:
        self.milter = milter
        self.name = f"milter {milter.named.name}"
        self.on_failure = milter.named.options.default_action

    def guard(self) -> "MilterGuard":
        """Somebody for a new session."""
        return MilterGuard(self.milter)


class MilterGuard:
    """One session with a filter.

    `_decided`: what it has said for the rest of the session, or what holds in its place;
    `_broken`: that holds because it did not answer;
    `_accepted`: it wants no more of this message; `_left`: nor of this session;
    `_telling`: a message has begun, of which it has been told;
    `_skips`: the stage of which it wants to hear no more in this message;
    `_helo`: what the client called itself, in its own words;
    `_body`: what it wants as another body.
    """

    __slots__ = (
        "_accepted", "_body", "_broken", "_command", "_content", "_conversation", "_decided", "_helo", "_left", "_milter",
        "_session", "_skips", "_telling",
    )  # fmt: skip

    def __init__(self, milter: Milter) -> None:
        self._milter = milter
        options = milter.named.options
        self._command, self._content = _limits(options.command_timeout), _limits(options.content_timeout)
        self._session: Session | None = None
        self._conversation: Conversation | None = None
        self._decided: Finding | None = None
        self._broken = self._accepted = self._left = self._telling = False
        self._skips: ProtocolStage | None = None
        self._helo: str | None = None
        self._body: NewBody | None = None

    async def look(self, stage: ProtocolStage, view: View) -> Finding:
        """What the filter says of a stage."""
        if stage is P.MAIL:
            self._telling = True
        elif stage is P.HELO:
            self._helo = "".join(view.words)
        if self._decided is None and not self._is_over(stage):
            try:
                finding = await self._asked(stage, view)
            except LookupFailure:
                raise  # a table of ours does not answer: the filter has not been told of this, and will be of the next step
            except BaseException as fault:
                self._give_up(stage, type(fault).__name__)
                raise
            if self._decided is None:
                return finding
        return NOTHING_FOUND if self._decided is None else _at(stage, self._decided, view)

    def reset(self) -> None:
        """The message is over."""
        if self._body is not None:
            self._body.close()
            self._body = None
        if not self._telling:
            return
        if self._session is not None and self._conversation is not None:
            self._session.tell(self._conversation.abort())
        self._ended()
        if self._broken:
            self._broken, self._decided = False, None

    def _ended(self) -> None:
        """The filter has nothing more to do with the message."""
        self._telling = self._accepted = False
        self._skips = None

    def close(self) -> None:
        """The session is over."""
        if self._body is not None:
            self._body.close()
            self._body = None
        if self._session is not None:
            self._session.tell(commands.QUIT)
        self._hang_up()

    def _is_over(self, stage: ProtocolStage) -> bool:
        """Whether the filter wants to hear nothing of that."""
        return self._left or stage in _ECHOES or (self._accepted and self._telling) or stage is self._skips

    # --- asking ---

    async def _asked(self, stage: ProtocolStage, view: View) -> Finding:
        try:
            for step in self._due(stage, view):
                finding = await self._step(step, view)
                if finding is not NOTHING_FOUND or self._decided is not None or self._is_over(step):
                    return finding
        except (StreamFailure, OSError, EditImpossible) as failure:
            return self._failed(step, failure)
        return NOTHING_FOUND

    def _due(self, stage: ProtocolStage, view: View) -> tuple[ProtocolStage, ...]:
        """The stage, and before it what a new connection has to be told."""
        if self._session is not None or stage is P.CONNECT:
            return (stage,)
        helo = (P.HELO,) if stage is not P.HELO and view.facts.helo_name is not None else ()
        return (P.CONNECT, *helo, stage)

    async def _step(self, stage: ProtocolStage, view: View) -> Finding:
        conversation = self._conversation if self._session is not None else await self._begun(view)
        assert conversation is not None
        if stage is P.END_OF_MESSAGE:
            return await self._judged(conversation, view)
        if stage is P.REFUSED_RCPT and not conversation.wants_rejected():
            return NOTHING_FOUND
        command = _COMMANDS[stage]
        if not conversation.knows(command):
            return NOTHING_FOUND
        macros = self._milter.macros
        names = conversation.macro_names(command, macros.configured[command])
        values = await macros.values(names, view)
        ask = conversation.step(command, _packet(stage, view, self._helo), values)
        if ask is None:
            if conversation.held:  # thousands of recipients, of which it is told and says nothing
                await self._sent()
            return NOTHING_FOUND
        return self._obeyed(stage, await self._put(ask, self._command))

    async def _begun(self, view: View) -> Conversation:
        """A new connection, on which both have agreed what they will tell each other. Raises StreamFailure."""
        options = self._milter.named.options
        session = self._session = await self._milter.client.begin(view.facts.client_address)
        agreed = await session.ask(Negotiation(OFFERS[options.protocol.version]), _limits(options.connect_timeout))
        steps = agreed.steps | Step.SILENT_HEADER if options.protocol.silent_headers else agreed.steps
        self._conversation = Conversation(structs.replace(agreed, steps=steps))
        return self._conversation

    async def _put(self, ask: Exchange[Answer], limits: TimeLimits) -> Answer:
        assert self._session is not None
        answer = await self._session.ask(ask, limits)
        if answer.verdict is Verdict.CONNECTION_FAILED:
            raise StreamFailure(Trouble.CLOSED, "it says that it has no connection itself", heard=True)
        return answer

    # --- the message ---

    async def _judged(self, conversation: Conversation, view: View) -> Finding:
        draft, milter = view.draft, self._milter
        assert draft is not None, "there is a message at its end"
        body = self._body = NewBody(milter.body_limit, draft.spare)
        edits = Edits(body.take)
        own = next((at for at, header in enumerate(draft.headers) if header.key == "received"), -1)
        telling = Telling(conversation, milter.macros, lambda ask: self._put(ask, self._content), self._sent)
        answer = await telling.whole(view, draft, own, edits)
        finding = self._obeyed(P.END_OF_MESSAGE, answer)
        if telling.ended:
            self._ended()
        if finding.severity >= Severity.DISCARD or not (answer.edits or body.begun):
            return finding
        editing = Editing(own=own >= 0, verbatim=conversation.verbatim, warn=self._warn)
        return await self._edited(answer, editing.edits(answer.edits, body), view)

    async def _sent(self) -> None:
        """What has gathered goes over without a question."""
        assert self._session is not None
        assert self._conversation is not None
        await self._session.ask(self._conversation.tell(), self._content)

    async def _edited(self, answer: Answer, edits: tuple[Edit, ...], view: View) -> Finding:
        """The finding of a filter that wants something changed. Raises LookupFailure."""
        finding = Finding(verdicts.ORIGIN)
        asks_for_hold = next((edit for edit in answer.edits if isinstance(edit, Quarantine)), None)
        if asks_for_hold is not None:
            finding = verdicts.held(self._reason(P.END_OF_MESSAGE, printable(from_bytes(asks_for_hold.reason[:_REASON]))))
        checks = self._milter.header_checks
        if checks is None:
            return structs.replace(finding, edits=edits)
        return await checks.judged(
            structs.replace(finding, edits=edits), view, self._reason(P.END_OF_MESSAGE, "milter_header_checks")
        )

    # --- what it says ---

    def _obeyed(self, stage: ProtocolStage, answer: Answer) -> Finding:
        """The finding of an answer, and what it means for what comes."""
        verdict, of_session = answer.verdict, stage in _OF_SESSION
        if verdict is Verdict.CONTINUE:
            return NOTHING_FOUND
        why = self._reason(stage, verdict.name.lower())
        if verdict in verdicts.REFUSES:
            finding = verdicts.refused(answer, why)
            if of_session or verdict is Verdict.SHUTDOWN:
                self._decided = finding
            return finding
        if verdict is Verdict.SKIP:
            self._skips = stage
        elif verdict is Verdict.DISCARD and of_session:
            self._warn("DISCARD action is not allowed for connect or helo")
        elif of_session:  # it accepts the client
            self._left = True
            self.close()
        else:
            self._accepted = True
            if verdict is Verdict.DISCARD:
                return verdicts.discarded(why)
        return NOTHING_FOUND

    def _failed(self, stage: ProtocolStage, failure: Exception) -> Finding:
        """The default action, now and for the rest of this message."""
        named = self._milter.named
        if isinstance(failure, EditImpossible):
            self._warn(f"impossible edit: {failure}")
        elif isinstance(failure, StreamFailure) and failure.trouble is Trouble.CONNECT:
            self._milter.warn(f"connect to Milter service {named.name}: {failure}")
        elif self._conversation is None:
            self._warn(f"{failure} in initial handshake")
        else:
            self._warn(f"can't read {_STEPS[stage]} reply packet header: {failure}")
        return self._give_up(stage, str(failure))

    def _give_up(self, stage: ProtocolStage, what: str) -> Finding:
        """The filter is told no more of this message, which has the default action: it must not see the rest without the
        beginning."""
        self._hang_up()
        action = self._milter.named.options.default_action
        self._decided, self._broken = _instead(action, self._reason(stage, what)), True
        return self._decided

    def _reason(self, stage: ProtocolStage, what: str) -> Reason:
        return verdicts.reason(self._milter.named.name, stage, what)

    def _warn(self, text: str) -> None:
        self._milter.warn(f"milter {self._milter.named.name}: {text}")

    def _hang_up(self) -> None:
        """The connection is of no more use."""
        session, self._session, self._conversation = self._session, None, None
        if session is not None:
            session.end()


def _at(stage: ProtocolStage, decided: Finding, view: View) -> Finding:
    """What was decided for the session, at one of its stages."""
    if decided.outcome is None:
        return NOTHING_FOUND if stage in _OF_SESSION or stage in _ECHOES or stage is P.UNKNOWN else decided
    if stage in _OF_SESSION and decided.outcome.code != _LEAVING:
        told = reply_of(decided.outcome).line
        return Finding(verdicts.ORIGIN, actions=(Action("milter-reject", told, view.facts.protocol_state, why=decided.why),))
    return decided


def _instead(action: FailureAction, why: Reason) -> Finding:
    """The finding of a default action."""
    if action is FailureAction.ACCEPT:
        return Finding(verdicts.ORIGIN, why=why)
    if action is FailureAction.QUARANTINE:
        return verdicts.held(why)
    outcome = action.finding(verdicts.ORIGIN, "").outcome
    assert outcome is not None, "it refuses"
    return verdicts.refusal((outcome.code, outcome.enhanced, outcome.text), why)


def _limits(seconds: int) -> TimeLimits:
    """An answer takes that long at most, however slowly it comes; ten times that where the filter says that it is still at work,
    for no client waits for an hour."""
    return TimeLimits.all_of(seconds, renewed=_PATIENCE * seconds)


def _packet(stage: ProtocolStage, view: View, helo: str | None) -> bytes:
    facts, words = view.facts, view.words
    match stage:
        case P.CONNECT:
            family = "6" if ":" in facts.client_address else "4" if "." in facts.client_address else "U"
            port = int(facts.client_port) if facts.client_port.isdecimal() and len(facts.client_port) < 6 else 0
            name = facts.client_name if facts.client_name != "unknown" else f"[{facts.client_address}]"
            return commands.connect(name, family, min(port, 65535), facts.client_address)
        case P.HELO:
            return commands.helo(facts.helo_name or "" if helo is None else helo)
        case P.MAIL:
            return commands.mail(words)
        case P.RCPT | P.REFUSED_RCPT:
            return commands.rcpt(words)
        case P.UNKNOWN:
            return commands.unknown("".join(words).encode("utf-8", "surrogateescape"))
        case _:
            return commands.DATA_PACKET
