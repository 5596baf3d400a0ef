"""Findings of many gates become one."""

from hypothesis import given
from hypothesis import strategies as st

from gatepost.admission.edits import AddHeader
from gatepost.admission.findings import combine
from gatepost.admission.port import NOTHING_FOUND, Finding, Severity
from gatepost.mail.outcome import bounced, deferred
from gatepost.mail.reason import Step
from gatepost.policy.port import Action

_OUTCOMES = {Severity.DEFER: deferred, Severity.REFUSE: bounced}


@st.composite
def a_finding(draw: st.DrawFn) -> Finding:
    severity, mark = draw(st.sampled_from(Severity)), draw(st.text("abc", min_size=1, max_size=3))
    make = _OUTCOMES.get(severity)
    return Finding(
        mark,
        severity,
        make(mark) if make else None,
        edits=tuple(AddHeader(b"X", str(n).encode()) for n in draw(st.lists(st.integers(0, 9), max_size=3))),
        actions=tuple(map(Action, draw(st.lists(st.sampled_from(["hold", "warn"]), max_size=2)))),
        trace=tuple(Step(mark, "x") for _ in range(draw(st.integers(0, 2)))),
        disconnect=draw(st.booleans()),
    )


FINDINGS = st.lists(a_finding(), max_size=6)


@given(FINDINGS)
def test_the_severest_wins_and_nothing_of_the_others_is_lost(findings: list[Finding]) -> None:
    one = combine(findings)
    assert one.severity == max((f.severity for f in findings), default=Severity.PASS)
    first = next((f for f in findings if f.severity == one.severity), NOTHING_FOUND)
    assert (one.gate, one.outcome) == (first.gate, first.outcome)
    for field in ("edits", "actions", "trace"):
        assert getattr(one, field) == sum((getattr(f, field) for f in findings), ())
    assert one.disconnect == any(f.disconnect for f in findings)


@given(FINDINGS, FINDINGS, FINDINGS)
def test_it_does_not_matter_where_the_gates_are_parted(a: list[Finding], b: list[Finding], c: list[Finding]) -> None:
    parted = combine([combine(a), combine([combine(b), combine(c)])])
    whole = combine(a + b + c)
    assert (parted.severity, parted.outcome, parted.edits, parted.actions, parted.trace, parted.disconnect) == (
        whole.severity, whole.outcome, whole.edits, whole.actions, whole.trace, whole.disconnect,
    )  # fmt: skip


@given(FINDINGS, a_finding())
def test_one_more_gate_never_makes_it_milder(findings: list[Finding], more: Finding) -> None:
    assert combine([*findings, more]).severity >= combine(findings).severity
