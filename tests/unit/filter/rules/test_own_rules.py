"""Our own rules: what they find and do not find stands beside them, in `test` lines of 90_tests.cf."""

import pytest

from gatepost.filter.rules.metas import Metas
from gatepost.filter.rules.plugins import OF_EVAL
from gatepost.filter.rules.reading import DEFAULT, read
from gatepost.filter.rules.ruleset import LOCAL, Kind, Sample
from gatepost.filter.rules.unrunnable import unrunnable
from gatepost.lookup.matching import Subject
from gatepost.lookup.pcre2 import Expression

RULES = read([DEFAULT])


def hits(rule: str, text: bytes) -> bool:
    pattern = RULES.rules[rule].pattern
    assert pattern
    return Expression(pattern.octets, pattern.options, captures=False).search(Subject(text)) is not None


@pytest.mark.parametrize("test", RULES.tests, ids=lambda test: f"{test.rule}-{test.source.rpartition(':')[2]}")
def test_what_a_rule_finds(test: Sample) -> None:
    assert hits(test.rule, test.text) is test.hits


def test_all_of_them_can_be_run() -> None:
    assert RULES.faults == ()
    assert unrunnable(RULES, OF_EVAL.keys()) == ()
    assert Metas(RULES, LOCAL).never == ()


def test_each_is_described_and_scored() -> None:
    scored = [rule for rule in RULES.rules.values() if not rule.subrule]
    assert len(scored) >= 60
    assert [rule.name for rule in scored if not rule.description] == []
    assert [rule.name for rule in scored if not (rule.name == "GTUBE" or all(-4 < score <= 4 for score in rule.scores))] == []
    assert [rule.name for rule in scored if rule.asks and rule.scores[LOCAL] > 0] == []


def test_gtube() -> None:
    gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-" + "STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
    assert hits("GTUBE", gtube.encode())
    assert RULES.rules["GTUBE"].scores[LOCAL] == 1000


@pytest.mark.parametrize(
    ("counts", "meta"),
    [
        (("__GP_HAS_DATE",), "GP_NO_MESSAGE_ID"),
        (("__GP_FEE_MILLION", "__GP_FEE_TRUST", "__GP_FEE_LAND", "__GP_FEE_WHO"), "GP_FEE_4"),
        (("__GP_FEE_MILLION", "__GP_FEE_TRUST", "__GP_FEE_LAND", "__GP_FEE_WHO", "__GP_FEE_GREETING"), "GP_FEE_5"),
        (("__GP_EXTORT_PAY", "__GP_EXTORT_SPY", "__GP_EXTORT_SHAME", "__GP_BITCOIN"), "GP_EXTORTION_WALLET"),
        (("__GP_ACCOUNT_RISK", "__GP_ACCOUNT_VERIFY", "__GP_ACCOUNT_CLICK", "GP_URI_ANY"), "GP_PHISH_3"),
        (("__GP_NAME_BRAND",), "GP_NAME_OF_A_BRAND"),
        (("GP_HTML_ONLY",), "GP_HTML_NO_TAG"),
    ],
)
def test_what_comes_together(counts: tuple[str, ...], meta: str) -> None:
    found = Metas(RULES, LOCAL).evaluate(dict.fromkeys(counts, 1)).hits
    assert meta in found
    assert all(RULES.rules[name].kind is Kind.META for name in found)
