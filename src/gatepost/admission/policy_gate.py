"""Policy as a gate: smtpd's restriction lists, at the stages of a session."""

from collections.abc import Iterable
from typing import Final

from gatepost.admission.port import NOTHING_FOUND, FailureAction, Finding, ProtocolStage, Severity, Stateless, View
from gatepost.mail.outcome import Class
from gatepost.policy.port import PERMIT, Policy, Stage

POLICY_STAGES: Final[dict[ProtocolStage, Stage]] = {
    ProtocolStage.CONNECT: Stage.CLIENT,
    ProtocolStage.HELO: Stage.HELO,
    ProtocolStage.MAIL: Stage.SENDER,
    ProtocolStage.RCPT: Stage.RECIPIENT,
    ProtocolStage.VRFY: Stage.RECIPIENT,
    ProtocolStage.DATA: Stage.DATA,
    ProtocolStage.END_OF_DATA: Stage.END_OF_DATA,
    ProtocolStage.ETRN: Stage.ETRN,
}
_CLASSES: Final = {Class.OK: Severity.PASS, Class.TEMPORARY: Severity.DEFER, Class.PERMANENT: Severity.REFUSE}


class PolicyGate(Stateless):
    """The restrictions of a service. Each look-up that they wait for has a time limit of its own. `silent`: stages at which they
    have nothing to say, so that nobody asks them."""

    name = "policy"
    time_limit = None
    on_failure = FailureAction.TEMPFAIL

    def __init__(self, policy: Policy, silent: Iterable[Stage] = ()) -> None:
        self._policy = policy
        self.stages = frozenset(protocol for protocol, stage in POLICY_STAGES.items() if stage not in silent)

    async def look(self, stage: ProtocolStage, view: View) -> Finding:
        """What the restrictions of the stage say."""
        verdict = await self._policy.check(POLICY_STAGES[stage], view.facts)
        if verdict is PERMIT:
            return NOTHING_FOUND
        outcome = verdict.outcome
        severity = Severity.PASS if outcome is None else _CLASSES[outcome.cls]
        refusal = outcome if severity else None
        return Finding(
            self.name, severity, refusal, actions=verdict.actions, trace=verdict.trace, disconnect=verdict.disconnect
        )  # fmt: skip
