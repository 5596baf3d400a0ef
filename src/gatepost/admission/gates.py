"""The gates of one service, in order: asked within their time, and what they say made into one answer."""

import asyncio
from collections.abc import Sequence

from gatepost.admission.draft import Draft, EditImpossible
from gatepost.admission.findings import combine
from gatepost.admission.port import Finding, Gate, ProtocolStage, Severity
from gatepost.events.records import Fault
from gatepost.lookup.port import LookupFailure
from gatepost.policy.port import Facts


class Gates:
    """Asks gates. Each sees what those before it have changed; none is asked after one that refuses for good, since nothing is
    worse than that. `fault`: whom to tell of what nobody expected a gate to raise."""

    def __init__(self, gates: Sequence[Gate], fault: Fault) -> None:
        self._fault = fault
        self._at = {stage: tuple(gate for gate in gates if stage in gate.stages) for stage in ProtocolStage}

    def at(self, stage: ProtocolStage) -> tuple[Gate, ...]:
        """The gates of a stage."""
        return self._at[stage]

    async def look(self, stage: ProtocolStage, facts: Facts | None, draft: Draft | None = None) -> Finding:
        """What all gates of a stage say together; their edits are made in `draft`. Raises LookupFailure, for which a session and
        cleanup have answers of their own."""
        findings: list[Finding] = []
        for gate in self._at[stage]:
            finding = await self._one(gate, stage, facts, draft)
            findings.append(finding)
            if finding.severity is Severity.REFUSE:
                break
        return combine(findings)

    async def _one(self, gate: Gate, stage: ProtocolStage, facts: Facts | None, draft: Draft | None) -> Finding:
        try:
            if gate.time_limit is None:
                return await _asked(gate, stage, facts, draft)
            async with asyncio.timeout(gate.time_limit) as limit:
                return await _asked(gate, stage, facts, draft)
        except LookupFailure:
            raise
        except EditImpossible as error:
            return gate.on_failure.finding(gate.name, f"{gate.name}: {error}")
        except TimeoutError as error:
            if gate.time_limit is not None and limit.expired():
                return gate.on_failure.finding(gate.name, f"{gate.name}: no answer within {gate.time_limit:g} s")
            return self.broken(gate, error)
        except Exception as error:
            return self.broken(gate, error)

    def broken(self, gate: Gate, error: Exception) -> Finding:
        """The finding in place of that of a gate which raised."""
        self._fault(error, f"gate {gate.name}: {gate.on_failure.value}")
        return gate.on_failure.finding(gate.name, f"{gate.name}: {type(error).__name__}")


async def _asked(gate: Gate, stage: ProtocolStage, facts: Facts | None, draft: Draft | None) -> Finding:
    finding = await gate.look(stage, facts, draft)
    if finding.edits:
        if draft is None:
            raise EditImpossible(f"there is no message to edit at {stage.value}")
        if finding.severity < Severity.DISCARD:
            await draft.edit(finding.edits)
    return finding
