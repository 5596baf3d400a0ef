"""Gates in a row: who is asked, what becomes of one that breaks, and policy as the first of them."""

import asyncio
from collections.abc import Iterable, Sequence

import pytest
from tests.unit.admission.drafts import HEAD, Octets, draft
from tests.unit.admission.guards import Answer, Faults, Scripted, forever

from gatepost.admission.edits import AddHeader, ReplaceBody
from gatepost.admission.gates import OF_MESSAGES, Gates
from gatepost.admission.policy_gate import POLICY_STAGES, PolicyGate
from gatepost.admission.port import NOTHING_FOUND, FailureAction, Finding, Gate, ProtocolStage, Severity, View
from gatepost.lookup.port import LookupFailure
from gatepost.mail.outcome import Class, Outcome, bounced, deferred
from gatepost.mail.reason import Step
from gatepost.policy.port import PERMIT, Action, Facts, Stage, Verdict
from gatepost.routing.aliases import AliasLoop

END = ProtocolStage.END_OF_MESSAGE


def look(*gates: Scripted | PolicyGate, stage: ProtocolStage = END, faults: Faults | None = None) -> Finding:
    guards = Gates(gates, Faults() if faults is None else faults).open(Facts())
    return asyncio.run(guards.look(stage, (), draft() if stage in OF_MESSAGES else None))


@pytest.mark.parametrize("stage", list(ProtocolStage))
def test_a_gate_stands_where_it_says(stage: ProtocolStage) -> None:
    here = Scripted("here", stages=[stage])
    elsewhere = Scripted("elsewhere", stages=[one for one in ProtocolStage if one is not stage])
    assert look(here, elsewhere, stage=stage) is NOTHING_FOUND
    assert (here.asked, elsewhere.asked) == (1, 0)
    assert Gates([here, elsewhere], Faults()).at(stage) == (here,)


@pytest.mark.parametrize("stage", list(ProtocolStage))
def test_nobody_is_asked_once_nothing_worse_can_come(stage: ProtocolStage) -> None:
    """A client that is told to come again says it all again; of a whole message a later gate may still say that it is not
    wanted at all."""
    for first, goes_on in (
        (Finding("1", Severity.QUARANTINE), True),
        (Finding("1", Severity.DISCARD), stage in OF_MESSAGES),
        (Finding("1", Severity.DEFER, deferred("later")), stage in OF_MESSAGES),
        (Finding("1", Severity.REFUSE, bounced("no")), False),
    ):
        second = Scripted("2", stages=[stage])
        assert look(Scripted("1", first), second, stage=stage).severity is first.severity
        assert second.asked == goes_on


def test_some_want_to_see_recipients_that_others_have_refused() -> None:
    curious, other = Scripted("curious"), Scripted("other", stages=[ProtocolStage.RCPT])
    curious.answer = Finding("curious", Severity.REFUSE, bounced("it changes nothing"))
    found = look(
        Scripted("1", Finding("1", Severity.REFUSE, bounced("no")), stages=[ProtocolStage.RCPT]),
        curious,
        other,
        stage=ProtocolStage.RCPT,
    )
    assert (found.gate, curious.sessions, other.asked) == ("1", [["REFUSED-RCPT"]], 0)


def test_gates_may_depend_on_the_client() -> None:
    usual, special = Scripted("usual"), Scripted("special")

    async def choose(facts: Facts) -> list[Scripted]:
        return [special] if facts.client_address == "192.0.2.1" else []

    async def places(address: str) -> tuple[Gate, ...]:
        gates, facts = Gates([usual], Faults(), choose), Facts()
        assert gates.any
        assert gates.of_messages
        facts.client_address = address
        chosen = await gates.chosen(facts)
        assert await gates.chosen(facts) is chosen
        return chosen[ProtocolStage.MAIL]

    assert asyncio.run(places("192.0.2.1")) == (usual, special)
    assert asyncio.run(places("192.0.2.2")) == (usual,)


FAILURES: list[tuple[FailureAction, Severity, int]] = [
    (FailureAction.TEMPFAIL, Severity.DEFER, 451),
    (FailureAction.REJECT, Severity.REFUSE, 550),
    (FailureAction.ACCEPT, Severity.PASS, 0),
    (FailureAction.QUARANTINE, Severity.QUARANTINE, 0),
    (FailureAction.HOLD, Severity.HOLD, 0),
    (FailureAction.SHUTDOWN, Severity.DEFER, 421),
]


@pytest.mark.parametrize(("action", "severity", "code"), FAILURES)
@pytest.mark.parametrize("way", ["raises", "overruns", "times out by itself", "edits badly", "gives a bad body"])
def test_a_gate_that_fails_has_its_failure_action(action: FailureAction, severity: Severity, code: int, way: str) -> None:
    answers: dict[str, Answer] = {
        "raises": ZeroDivisionError(),
        "overruns": forever,
        "times out by itself": TimeoutError(),
        "edits badly": Finding("bad", edits=(AddHeader(b"X", b"a\0"),)),
        "gives a bad body": Finding("bad", edits=(ReplaceBody(lambda: iter([b"a\nb"])),)),
    }
    limit = 0.001 if way == "overruns" else 60.0
    after = Scripted("after")
    found = look(Scripted("bad", answers[way], time_limit=limit, on_failure=action), after)
    assert (found.severity, found.outcome.code if found.outcome else 0, found.gate) == (severity, code, "bad")
    assert after.asked == (severity is not Severity.REFUSE)


def test_every_failure_action_is_tested_and_the_default_is_for_now() -> None:
    assert {action for action, _, _ in FAILURES} == set(FailureAction)
    assert PolicyGate.on_failure is FailureAction.TEMPFAIL


def test_what_nobody_expected_is_told_and_an_overrun_is_not_a_fault_of_ours() -> None:
    faults = Faults()
    look(Scripted("one", ZeroDivisionError()), Scripted("two", forever, time_limit=0.001), faults=faults)
    assert faults == ["ZeroDivisionError: gate one: tempfail"]


@pytest.mark.parametrize("limit", [None, 60.0])
def test_a_gate_that_gives_no_guard_in_time_has_its_failure_action(limit: float | None) -> None:
    class Slow(Scripted):
        def guard(self) -> None:  # type: ignore[override]
            raise TimeoutError

    assert look(Slow("g", time_limit=limit), stage=ProtocolStage.MAIL).severity is Severity.DEFER


@pytest.mark.parametrize("trouble", [OSError(28, "No space left on device"), AliasLoop("a loop"), LookupFailure("hash:x", "no")])
def test_what_keeps_us_from_an_edit_is_no_failure_of_the_gate(trouble: Exception) -> None:
    """A message must not come in without the edit because the gate may fail."""

    class Full(Octets):
        def replace(self, chunks: Iterable[bytes]) -> None:
            raise trouble

    edit = Finding("g", edits=(ReplaceBody(lambda: iter([b"a\r\n"])),))
    faults, message = Faults(), draft()
    message.source = Full(b"")
    gate = Scripted("g", edit, on_failure=FailureAction.ACCEPT, time_limit=60)
    with pytest.raises(type(trouble)):
        asyncio.run(Gates([gate], faults).open(Facts()).look(END, (), message))
    assert faults == []


def test_a_session_that_ends_ends_the_look_too() -> None:
    async def ended() -> None:
        guards = Gates([Scripted("slow", forever, time_limit=60)], Faults()).open(Facts())
        task = asyncio.ensure_future(guards.look(END, (), draft()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(ended())


def test_a_gate_that_gives_no_guard_has_its_failure_action_each_time() -> None:
    class Unmanned(Scripted):
        def guard(self) -> None:  # type: ignore[override]
            raise ZeroDivisionError

    faults = Faults()
    assert look(Unmanned("g"), stage=ProtocolStage.MAIL, faults=faults).severity is Severity.DEFER
    assert faults == ["ZeroDivisionError: gate g: tempfail"]


def test_a_guard_that_breaks_when_it_is_dismissed_keeps_nobody_from_going() -> None:
    faults, other = Faults(), Scripted("other")

    class Clinging(Scripted):
        def guard(self) -> "Clinging":  # type: ignore[override]
            return self

        async def look(self, stage: ProtocolStage, view: View) -> Finding:
            return NOTHING_FOUND

        def reset(self) -> None:
            raise ZeroDivisionError

        close = reset

    guards = Gates([Clinging("g"), other], faults).open(Facts())
    asyncio.run(guards.look(ProtocolStage.MAIL))
    guards.reset()
    guards.close()
    guards.close()
    assert other.sessions == [["MAIL", "reset", "close"]]
    assert faults == ["ZeroDivisionError: gate g: reset", "ZeroDivisionError: gate g: close"]


def test_a_table_that_cannot_answer_is_the_sessions_and_cleanups_to_tell() -> None:
    with pytest.raises(LookupFailure):
        look(Scripted("policy", LookupFailure("hash:x", "no")))


def test_each_gate_sees_what_those_before_it_have_changed() -> None:
    seen: list[bytes] = []

    async def note(stage: ProtocolStage, view: View) -> Finding:
        assert view.draft is not None
        seen.append(b"".join(one.raw for one in view.draft.headers))
        return Finding("n", edits=(AddHeader(b"X-N", b"n"),))

    found = look(Scripted("1", note), Scripted("2", note))
    assert seen == [HEAD, HEAD + b"X-N: n\r\n"]
    assert found.edits == (AddHeader(b"X-N", b"n"),) * 2


def test_before_there_is_a_message_nothing_can_be_edited() -> None:
    edit = Finding("g", edits=(AddHeader(b"X", b"a"),))
    assert look(Scripted("g", edit), stage=ProtocolStage.RCPT).severity is Severity.DEFER


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


@pytest.mark.parametrize("more", [(), (Scripted("mild"),)])
@pytest.mark.parametrize("stage", POLICY_STAGES)
def test_policy_says_what_it_says(stage: ProtocolStage, more: Sequence[Scripted]) -> None:
    actions, trace = (Action("hold", "x", "RCPT"),), (Step("rule", "REJECT"),)
    no, later = Outcome(Class.PERMANENT, "5.7.1", "no", 554), Outcome(Class.TEMPORARY, "4.7.1", "later", 450)
    for verdict, severity in (
        (PERMIT, Severity.PASS),
        (Verdict(actions=actions, trace=trace), Severity.PASS),
        (Verdict(no, actions, trace, disconnect=True), Severity.REFUSE),
        (Verdict(later, trace=trace), Severity.DEFER),
    ):
        policy = FixedPolicy(verdict)
        found = look(PolicyGate(policy), *more, stage=stage)
        assert (found.severity, found.outcome, found.actions, found.trace, found.disconnect) == (
            severity, verdict.outcome, verdict.actions, verdict.trace, verdict.disconnect,
        )  # fmt: skip
        assert policy.asked == [POLICY_STAGES[stage]]


def test_policy_stands_at_all_its_stages_but_where_it_is_silent() -> None:
    assert set(POLICY_STAGES.values()) == set(Stage)
    assert PolicyGate(FixedPolicy(PERMIT)).stages == set(POLICY_STAGES)
    silent = (Stage.CLIENT, Stage.RECIPIENT)
    assert set(POLICY_STAGES) - PolicyGate(FixedPolicy(PERMIT), silent).stages == {
        ProtocolStage.CONNECT, ProtocolStage.RCPT, ProtocolStage.VRFY,
    }  # fmt: skip


def test_policy_that_permits_does_not_outvote_a_gate() -> None:
    refusal = Finding("g", Severity.REFUSE, bounced("no"))
    assert look(PolicyGate(FixedPolicy(PERMIT)), Scripted("g", refusal), stage=ProtocolStage.RCPT).outcome == bounced("no")


@pytest.mark.parametrize("more", [(), (Scripted("mild"),)])
def test_policy_that_breaks_defers(more: Sequence[Scripted]) -> None:
    faults = Faults()
    found = look(PolicyGate(FixedPolicy(ZeroDivisionError())), *more, stage=ProtocolStage.RCPT, faults=faults)
    assert found.outcome is not None
    assert (found.outcome.code, faults) == (451, ["ZeroDivisionError: gate policy: tempfail"])
