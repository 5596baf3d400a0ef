"""The learner's points stand among the tests, and it leads where it knows much."""

from gatepost.filter.contents import LEARNER, contents
from gatepost.filter.facts import Facts
from gatepost.filter.learner.port import Opinion
from gatepost.filter.verdict import Scored


def judged(score: float, said: Opinion) -> tuple[float, tuple[Scored, ...]]:
    found = contents(Facts(score=score, learner=said), (), None)
    return found.score, found.tests


def test_its_points_are_added() -> None:
    assert judged(3.0, Opinion(points=2.5, rules=0.25)) == (5.5, (Scored(LEARNER, 2.5),))
    assert judged(-1.0, Opinion(points=-2.5, rules=0.25)) == (-3.5, (Scored(LEARNER, -2.5),))


def test_what_it_knows_for_ham_is_not_made_spam_by_rules() -> None:
    assert judged(8.0, Opinion(points=-4.0, rules=0.25)) == (-2.0, (Scored(LEARNER, -10.0),))
    assert judged(8.0, Opinion(points=-1.0, rules=1.0))[0] == 7.0


def test_numbers_of_a_scanner_gone_mad_are_none() -> None:
    assert judged(8.0, Opinion(points=float("nan")))[0] == 8.0
    assert judged(8.0, Opinion(points=-1.0, rules=float("-inf")))[0] == -1.0
