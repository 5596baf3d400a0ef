"""The gates of one service, in order: asked within their time, and what they say made into one answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from gatepost.admission.draft import Draft, EditImpossible
from gatepost.admission.findings import combine
from gatepost.admission.port import NOTHING_FOUND, Finding, Gate, Guard, ProtocolStage, Severity, Stateless, View
from gatepost.events.records import Fault
from gatepost.lookup.port import LookupFailure
from gatepost.mail.outcome import Outcome
from gatepost.policy.port import Facts
from gatepost.routing.aliases import AliasLoop

OF_MESSAGES = (ProtocolStage.END_OF_HEADERS, ProtocolStage.END_OF_MESSAGE)
"""Stages that every message reaches, whoever hands it in."""

_ENOUGH = {stage: Severity.REFUSE if stage in OF_MESSAGES else Severity.DISCARD for stage in ProtocolStage}
"""The finding after which nobody else is asked: nothing worse can come, or the client is to say it again another time."""


_MOST_CHOICES = 1000
"""Of gates for one client, which are kept: a table may give each another one."""

Choose = Callable[[Facts], Awaitable[Sequence[Gate]]]
"""Which gates stand there for one client. Raises LookupFailure."""

Places = Mapping[ProtocolStage, tuple[Gate, ...]]
"""Who stands at each stage."""


class Gates:
    """Where guards stand in one service. `fault`: whom to tell of what nobody expected one to raise. `choose`: which stand behind
    `gates` for one client, None where they are the same for all."""

    def __init__(self, gates: Sequence[Gate], fault: Fault, choose: Choose | None = None) -> None:
        self._fault = fault
        self._gates = tuple(gates)
        self._at = self._places(())
        self._choose = choose
        self._chosen: dict[tuple[Gate, ...], Places] = {}

    def at(self, stage: ProtocolStage) -> tuple[Gate, ...]:
        """The gates of a stage."""
        return self._at[stage]

    @property
    def of_messages(self) -> bool:
        """Whether any looks at messages, or may, and not at commands alone."""
        return self._choose is not None or any(self._at[stage] for stage in OF_MESSAGES)

    @property
    def any(self) -> bool:
        """Whether there is any, or may be."""
        return self._choose is not None or any(self._at.values())

    def open(self, facts: Facts) -> "Guards":
        """The guards of a new session."""
        return Guards(self._at, self._fault, facts)

    async def chosen(self, facts: Facts) -> Places:
        """Who stands where for this client. Raises LookupFailure."""
        if self._choose is None:
            return self._at
        chosen = tuple(await self._choose(facts))
        if (places := self._chosen.get(chosen)) is None:
            if len(self._chosen) >= _MOST_CHOICES:
                self._chosen.clear()
            places = self._chosen[chosen] = self._places(chosen)
        return places

    def _places(self, more: tuple[Gate, ...]) -> Places:
        gates = (*self._gates, *more)
        return {stage: tuple(gate for gate in gates if stage in gate.stages) for stage in ProtocolStage}


class Guards:
    """The guards of one session, and what they see. Each sees what those before it have changed and found out. `at`: who stands at
    a stage; where that is nobody, nobody need be asked."""

    __slots__ = ("_fault", "_posted", "at", "view")

    def __init__(self, at: Places, fault: Fault, facts: Facts) -> None:
        self.view = View(facts)
        self.at = at
        self._fault = fault
        self._posted: dict[Gate, Guard] = {}

    async def look(self, stage: ProtocolStage, words: Sequence[str] = (), draft: Draft | None = None) -> Finding:
        """What all guards of a stage say together; their edits are made in `draft`. `words`: as in View. Raises LookupFailure, for
        which a session and cleanup have answers of their own; where there is a draft AliasLoop and OSError, too."""
        gates = self.at[stage]
        if not gates:
            return NOTHING_FOUND
        self.view.words, self.view.draft = words, draft
        if len(gates) == 1:
            return await self._one(gates[0], stage, draft)
        findings: list[Finding] = []
        for gate in gates:
            finding = await self._one(gate, stage, draft)
            findings.append(finding)
            if finding.severity >= _ENOUGH[stage]:
                break
        found = combine(findings)
        if stage is ProtocolStage.RCPT and found.outcome is not None:
            await self._tell_of_refused(gates[len(findings) :], found.outcome, draft)
        return found

    async def _tell_of_refused(self, gates: Sequence[Gate], refusal: Outcome, draft: Draft | None) -> None:
        """Some want to see the recipients, too, that others have refused."""
        self.view.refusal = refusal
        for gate in gates:
            if ProtocolStage.REFUSED_RCPT in gate.stages:
                await self._one(gate, ProtocolStage.REFUSED_RCPT, draft)
        self.view.refusal = None

    def reset(self) -> None:
        """The message is over, whatever became of it: nobody looks at it any more, and an idle session keeps nothing of it."""
        self.view.words, self.view.draft = (), None
        self.view.facts.evidence.end_message()
        for gate, guard in self._posted.items():
            self._tell(gate, guard.reset, "reset")

    def close(self) -> None:
        """The session is over; one that goes on has other guards, and nothing is known of its client."""
        self.view.facts.evidence.clear()
        posted, self._posted = self._posted, {}
        for gate, guard in posted.items():
            self._tell(gate, guard.close, "close")

    def _tell(self, gate: Gate, tell: Callable[[], None], what: str) -> None:
        """A guard that breaks when it is told that something is over keeps nobody from telling the others."""
        try:
            tell()
        except Exception as error:
            self._fault(error, f"gate {gate.name}: {what}")

    async def _one(self, gate: Gate, stage: ProtocolStage, draft: Draft | None) -> Finding:
        clock = None if gate.time_limit is None else asyncio.timeout(gate.time_limit)
        try:
            guard = self._posted.get(gate)
            if guard is None:
                guard = gate.guard()
                if not isinstance(guard, Stateless):  # else there is nothing that it could forget
                    self._posted[gate] = guard
            if clock is None:
                finding = await guard.look(stage, self.view)
            else:
                async with clock:
                    finding = await guard.look(stage, self.view)
        except LookupFailure:
            raise
        except Exception as error:
            if clock is not None and clock.expired():
                return gate.on_failure.finding(gate.name, f"no answer within {gate.time_limit:g} s")
            return self._broken(gate, error)
        return finding if not finding.edits else await self._edited(gate, finding, stage, draft)

    async def _edited(self, gate: Gate, finding: Finding, stage: ProtocolStage, draft: Draft | None) -> Finding:
        """A finding whose edits are made, unless nobody will get the message. An edit that no message can bear is a failure of the
        gate's; a table or a disk of ours that fails is none."""
        if draft is None:
            return gate.on_failure.finding(gate.name, f"there is no message to edit at {stage.value}")
        if finding.severity >= Severity.DISCARD:
            return finding
        try:
            await draft.edit(finding.edits)
        except (LookupFailure, AliasLoop, OSError):
            raise
        except EditImpossible as error:
            return gate.on_failure.finding(gate.name, str(error))
        except Exception as error:
            return self._broken(gate, error)
        return finding

    def _broken(self, gate: Gate, error: Exception) -> Finding:
        """The finding in place of that of a guard which raised."""
        self._fault(error, f"gate {gate.name}: {gate.on_failure.value}")
        return gate.on_failure.finding(gate.name, type(error).__name__)
