"""Policy as a gate, and gates as the policy that a session asks."""

from collections.abc import Sequence
from typing import Final

from gatepost.admission.gates import Gates
from gatepost.admission.port import NOTHING_FOUND, FailureAction, Finding, Gate, ProtocolStage, ReadableDraft, Severity
from gatepost.events.records import Fault
from gatepost.lookup.port import LookupFailure
from gatepost.mail.outcome import Class
from gatepost.policy.port import PERMIT, Action, Facts, Policy, Stage, Verdict

PROTOCOL_STAGES: Final[dict[Stage, ProtocolStage]] = {
    Stage.CLIENT: ProtocolStage.CONNECT,
    Stage.HELO: ProtocolStage.HELO,
    Stage.SENDER: ProtocolStage.MAIL,
    Stage.RECIPIENT: ProtocolStage.RCPT,
    Stage.DATA: ProtocolStage.DATA,
    Stage.END_OF_DATA: ProtocolStage.END_OF_DATA,
    Stage.ETRN: ProtocolStage.ETRN,
}
_STAGES: Final = {protocol: stage for stage, protocol in PROTOCOL_STAGES.items()}
_CLASSES: Final = {Class.OK: Severity.PASS, Class.TEMPORARY: Severity.DEFER, Class.PERMANENT: Severity.REFUSE}
_AS_ACTIONS: Final = {Severity.HOLD: "hold", Severity.QUARANTINE: "hold", Severity.DISCARD: "discard"}
"""What access(5) calls a finding that is no refusal."""


class PolicyGate:
    """The restrictions of a service. Each look-up that they wait for has a time limit of its own."""

    name = "policy"
    stages = frozenset(_STAGES)
    time_limit = None
    on_failure = FailureAction.TEMPFAIL

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    async def look(self, stage: ProtocolStage, facts: Facts | None, draft: ReadableDraft | None) -> Finding:
        """What the restrictions of the stage say."""
        assert facts is not None  # only sessions reach these stages
        verdict = await self._policy.check(_STAGES[stage], facts)
        if verdict is PERMIT:
            return NOTHING_FOUND
        outcome = verdict.outcome
        severity = Severity.PASS if outcome is None else _CLASSES[outcome.cls]
        refusal = outcome if severity else None
        return Finding(
            self.name, severity, refusal, actions=verdict.actions, trace=verdict.trace, disconnect=verdict.disconnect
        )  # fmt: skip


class GatedPolicy:
    """The policy port of a session whose stages have gates: first the policy engine, then `more`. Where nobody else stands
    policy is asked without ado, as that happens several times a message."""

    def __init__(self, policy: Policy, fault: Fault, more: Sequence[Gate] = ()) -> None:
        self._policy = policy
        self._gate = PolicyGate(policy)
        self._gates = Gates((self._gate, *more), fault)
        self._policy_alone = frozenset(s for s, protocol in PROTOCOL_STAGES.items() if len(self._gates.at(protocol)) == 1)

    async def check(self, stage: Stage, facts: Facts) -> Verdict:
        """The verdict of all gates of the stage. Raises LookupFailure."""
        if stage not in self._policy_alone:
            return _verdict(await self._gates.look(PROTOCOL_STAGES[stage], facts), stage)
        try:
            return await self._policy.check(stage, facts)
        except LookupFailure:
            raise
        except Exception as error:
            return _verdict(self._gates.broken(self._gate, error), stage)


def _verdict(finding: Finding, stage: Stage) -> Verdict:
    if finding is NOTHING_FOUND:
        return PERMIT
    actions = finding.actions
    if kind := _AS_ACTIONS.get(finding.severity):
        where = PROTOCOL_STAGES[stage].value
        actions = (*actions, Action(kind, finding.reason, where, finding.gate))
    return Verdict(finding.outcome, actions, finding.trace, finding.disconnect)
