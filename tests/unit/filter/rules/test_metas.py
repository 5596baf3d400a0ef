"""Metas over counts. Values and hits of the first table were read off SpamAssassin 4.0.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_files import ruleset

from gatepost.filter.rules.metas import Metas
from gatepost.filter.rules.ruleset import LOCAL

HIT_FOUR_TIMES = {"A": 4.0, "HIT": 1.0}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("A + B > 1", 1),
        ("A && NOSUCH", None),
        ("!NOSUCH", 1),
        ("NOSUCH == 0", 1),
        ("A ? 1 : 0", 1),
        ("A - 1", 3),
        ("0 - HIT", 1),
        ("HIT / 2", 0.5),
        ("!B", 1),
        ("A && 7", 7),
        ("B || 3", 3),
        ("A>1&&HIT", 1),
        ("(A>1)+(HIT)>1", 1),
        ("HIT + HIT * 2 == 3", 1),
        ("!!HIT", 1),
        ("! B && HIT", 1),
        ("HIT ? A : B", 4),
        ("HIT > 0 == 1", 1),
        ("!HIT == 0", 1),
        ("!HIT + 1", 1),
        ("HIT >= 1.0", 1),
        ("2 - 1 - 1", None),
        ("A > 3 > 2", 1),
        ("A > 3 > 4", None),
        ("rules_matching(__?) >= 1", None),
        ("rules_matching(?) + rules_matching(HI*) == 5", 1),
        ("rules_matching(NOPE*)", None),
        ("1", 1),
        ("0", None),
    ],
)
def test_the_value_of_a_meta(expression: str, value: float | None) -> None:
    rules = ruleset(f"body A /a/\nbody HIT /a/\nbody B /z/\nmeta META {expression}\nmeta OVER META && HIT\n")
    assert not rules.faults
    hits = Metas(rules, LOCAL).evaluate(HIT_FOUR_TIMES).hits
    assert hits.get("META") == value
    assert ("OVER" in hits) is (value is not None)


def test_what_hangs_on_what_is_switched_off() -> None:
    """A rule that is off counts as one that has not hit; a meta that is off takes those with it that hang on it."""
    rules = ruleset(
        """
        body HIT /a/
        body OFF /a/
        score OFF 0
        meta ON_OFF !OFF
        meta NOTHING HIT
        score NOTHING 0
        meta NOT_NOTHING !NOTHING
        meta OVER_NOTHING NOTHING || HIT
        meta CIRCLE_1 CIRCLE_2 || HIT
        meta CIRCLE_2 CIRCLE_1 || HIT
        meta SELF SELF || HIT
        """
    )
    metas = Metas(rules, LOCAL)
    assert metas.evaluate({"HIT": 1}).hits == {"ON_OFF": 1}
    assert sorted(metas.never) == ["CIRCLE_1", "CIRCLE_2", "NOT_NOTHING", "OVER_NOTHING", "SELF"]


def test_what_is_open_waits() -> None:
    rules = ruleset(
        """
        body A /a/
        body B /b/
        header NET eval:check_rbl('x', 'y')
        meta KNOWN A && !B
        meta NEVER B && NET
        meta EITHER A || NET
        meta WAITS A && NET
        meta DENIES A && !NET
        meta OVER WAITS || DENIES
        meta ALONE !NET
        """
    )
    metas = Metas(rules, LOCAL)
    first = metas.evaluate({"A": 1}, open_names=["NET"])
    assert first.hits == {"KNOWN": 1, "EITHER": 1}
    assert sorted(first.waiting) == ["ALONE", "DENIES", "OVER", "WAITS"]
    for answer, expected in (({"NET": 1.0}, {"WAITS": 1, "OVER": 1}), ({}, {"DENIES": 1, "OVER": 1, "ALONE": 1})):
        assert metas.evaluate({"A": 1.0, **first.hits, **answer}, among=first.waiting).hits == expected


_NAMES = ("A", "B", "C", "D")
_EXPRESSIONS = st.recursive(
    st.sampled_from((*_NAMES, "0", "1", "2", "M0", "M1")),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from("&& || + - * > < >= == !=".split()), inner)
        | st.builds("!{}".format, inner)
        | st.builds("({} ? {} : {})".format, inner, inner, inner)
    ),
    max_leaves=8,
)


@given(
    st.lists(_EXPRESSIONS, min_size=3, max_size=3),
    st.dictionaries(st.sampled_from(_NAMES), st.integers(1, 3)),
    st.sets(st.sampled_from(_NAMES)),
)
def test_in_two_steps_as_in_one(expressions: list[str], counts: dict[str, int], still_open: set[str]) -> None:
    """Whatever was open: once it is known, the same metas hit as if all had been known at once, and as if each were looked at."""
    rules = ruleset(
        "".join(f"body {name} /a/\n" for name in _NAMES) + "".join(f"meta M{i} {e}\n" for i, e in enumerate(expressions))
    )
    metas = Metas(rules, LOCAL)
    whole = metas.evaluate(counts).hits
    assert metas.evaluate(counts, among=("M0", "M1", "M2")).hits == whole
    first = metas.evaluate({name: count for name, count in counts.items() if name not in still_open}, open_names=still_open)
    second = metas.evaluate({**counts, **first.hits}, among=first.waiting)
    assert {**first.hits, **second.hits} == whole
