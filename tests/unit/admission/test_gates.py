"""Gates in a row: who is asked, what becomes of one that breaks, and policy as the first of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from tests.unit.admission.drafts import HEAD, draft

from gatepost.admission.edits import AddHeader, ReplaceBody
from gatepost.admission.gates import Gates
from gatepost.admission.policy_gate import PROTOCOL_STAGES, GatedPolicy, PolicyGate
from gatepost.admission.port import NOTHING_FOUND, FailureAction, Finding, ProtocolStage, ReadableDraft, Severity
from gatepost.lookup.port import LookupFailure
from gatepost.mail.outcome import Class, Outcome, bounced
from gatepost.mail.reason import Step
from gatepost.policy.port import PERMIT, Action, Facts, Stage, Verdict

END = ProtocolStage.END_OF_MESSAGE
Look = Callable[[ProtocolStage, ReadableDraft | None], Awaitable[Finding]]


class Says:
    """A gate; `answer`: what it says, raises or does."""

    def __init__(
        self,
        name: str,
        answer: Finding | Exception | Look,
        *,
        stages: Sequence[ProtocolStage] = tuple(ProtocolStage),
        time_limit: float | None = None,
        on_failure: FailureAction = FailureAction.TEMPFAIL,
    ) -> None:
        self.name = name
        self.stages = frozenset(stages)
        self.time_limit = time_limit
        self.on_failure = on_failure
        self.asked = 0
        self._answer = answer

    async def look(self, stage: ProtocolStage, facts: Facts | None, draft: ReadableDraft | None) -> Finding:
        self.asked += 1
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer if isinstance(self._answer, Finding) else await self._answer(stage, draft)


class Faults(list[str]):
    def __call__(self, fault: BaseException, consequence: str) -> None:
        self.append(f"{type(fault).__name__}: {consequence}")


def look(*gates: Says, stage: ProtocolStage = END, faults: Faults | None = None) -> Finding:
    return asyncio.run(Gates(gates, Faults() if faults is None else faults).look(stage, None, draft()))


async def forever(*_: object) -> Finding:
    await asyncio.Event().wait()
    return NOTHING_FOUND


@pytest.mark.parametrize("stage", list(ProtocolStage))
def test_a_gate_stands_where_it_says(stage: ProtocolStage) -> None:
    here = Says("here", NOTHING_FOUND, stages=[stage])
    elsewhere = Says("elsewhere", NOTHING_FOUND, stages=[one for one in ProtocolStage if one is not stage])
    gates = Gates([here, elsewhere], Faults())
    assert asyncio.run(gates.look(stage, Facts())) is NOTHING_FOUND
    assert (here.asked, elsewhere.asked) == (1, 0)
    assert gates.at(stage) == (here,)


FAILURES: list[tuple[FailureAction, Severity, int]] = [
    (FailureAction.TEMPFAIL, Severity.DEFER, 451),
    (FailureAction.REJECT, Severity.REFUSE, 550),
    (FailureAction.ACCEPT, Severity.PASS, 0),
    (FailureAction.QUARANTINE, Severity.QUARANTINE, 0),
    (FailureAction.HOLD, Severity.HOLD, 0),
]


@pytest.mark.parametrize(("action", "severity", "code"), FAILURES)
@pytest.mark.parametrize("way", ["raises", "overruns", "times out by itself", "edits badly", "gives a bad body"])
def test_a_gate_that_fails_has_its_failure_action(action: FailureAction, severity: Severity, code: int, way: str) -> None:
    answers: dict[str, Finding | Exception | Look] = {
        "raises": ZeroDivisionError(),
        "overruns": forever,
        "times out by itself": TimeoutError(),
        "edits badly": Finding("bad", edits=(AddHeader(b"X", b"a\0"),)),
        "gives a bad body": Finding("bad", edits=(ReplaceBody(lambda: iter([b"a\nb"])),)),
    }
    limit = 0.001 if way == "overruns" else 60.0
    after = Says("after", NOTHING_FOUND)
    found = look(Says("bad", answers[way], time_limit=limit, on_failure=action), after)
    assert (found.severity, found.outcome.code if found.outcome else 0, found.gate) == (severity, code, "bad")
    assert after.asked == (severity is not Severity.REFUSE)


def test_every_failure_action_is_tested_and_the_default_is_for_now() -> None:
    assert {action for action, _, _ in FAILURES} == set(FailureAction)
    assert PolicyGate.on_failure is FailureAction.TEMPFAIL


def test_what_nobody_expected_is_told_and_an_overrun_is_not_a_fault_of_ours() -> None:
    faults = Faults()
    look(Says("one", ZeroDivisionError()), Says("two", forever, time_limit=0.001), faults=faults)
    assert faults == ["ZeroDivisionError: gate one: tempfail"]


def test_a_session_that_ends_ends_the_gate_too() -> None:
    async def ended() -> None:
        task = asyncio.ensure_future(Gates([Says("slow", forever, time_limit=60)], Faults()).look(END, None))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(ended())


def test_a_table_that_cannot_answer_is_the_sessions_and_cleanups_to_tell() -> None:
    with pytest.raises(LookupFailure):
        look(Says("policy", LookupFailure("hash:x", "no")))


def test_each_gate_sees_what_those_before_it_have_changed() -> None:
    seen: list[bytes] = []

    async def note(stage: ProtocolStage, draft: ReadableDraft | None) -> Finding:
        assert draft is not None
        seen.append(b"".join(one.raw for one in draft.headers))
        return Finding("n", edits=(AddHeader(b"X-N", b"n"),))

    found = look(Says("1", note), Says("2", note))
    assert seen == [HEAD, HEAD + b"X-N: n\r\n"]
    assert found.edits == (AddHeader(b"X-N", b"n"),) * 2


def test_before_there_is_a_message_nothing_can_be_edited() -> None:
    gates = Gates([Says("g", Finding("g", edits=(AddHeader(b"X", b"a"),)))], Faults())
    assert asyncio.run(gates.look(ProtocolStage.RCPT, Facts())).severity is Severity.DEFER


# --- policy ---


class FixedPolicy:
    def __init__(self, verdict: Verdict | Exception) -> None:
        self._verdict = verdict
        self.asked: list[Stage] = []

    async def check(self, stage: Stage, facts: Facts) -> Verdict:
        self.asked.append(stage)
        if isinstance(self._verdict, Exception):
            raise self._verdict
        return self._verdict


def judged(policy: FixedPolicy, stage: Stage, *more: Says, faults: Faults | None = None) -> Verdict:
    return asyncio.run(GatedPolicy(policy, Faults() if faults is None else faults, more).check(stage, Facts()))


@pytest.mark.parametrize("more", [(), (Says("mild", NOTHING_FOUND),)])
@pytest.mark.parametrize("stage", list(Stage))
def test_policy_says_what_it_says(stage: Stage, more: Sequence[Says]) -> None:
    actions, trace = (Action("hold", "x", "RCPT"),), (Step("rule", "REJECT"),)
    for verdict in (
        PERMIT,
        Verdict(actions=actions, trace=trace),
        Verdict(Outcome(Class.PERMANENT, "5.7.1", "no", 554), actions, trace, disconnect=True),
        Verdict(Outcome(Class.TEMPORARY, "4.7.1", "later", 450), trace=trace),
    ):
        policy = FixedPolicy(verdict)
        assert judged(policy, stage, *more) == verdict
        assert policy.asked == [stage]


def test_every_stage_of_policy_is_one_of_the_protocol() -> None:
    assert set(PROTOCOL_STAGES) == set(Stage)
    assert len(set(PROTOCOL_STAGES.values())) == len(Stage)


def test_policy_that_permits_does_not_outvote_a_gate() -> None:
    verdict = judged(FixedPolicy(PERMIT), Stage.RECIPIENT, Says("g", Finding("g", Severity.REFUSE, bounced("no"))))
    assert verdict.outcome == bounced("no")
    held = judged(FixedPolicy(PERMIT), Stage.RECIPIENT, Says("g", Finding("g", Severity.HOLD, reason="why")))
    assert held.actions == (Action("hold", "why", "RCPT", "g"),)


@pytest.mark.parametrize("more", [(), (Says("mild", NOTHING_FOUND),)])
def test_policy_that_breaks_defers(more: Sequence[Says]) -> None:
    faults = Faults()
    verdict = judged(FixedPolicy(ZeroDivisionError()), Stage.RECIPIENT, *more, faults=faults)
    assert verdict.outcome is not None
    assert (verdict.outcome.code, faults) == (451, ["ZeroDivisionError: gate policy: tempfail"])
