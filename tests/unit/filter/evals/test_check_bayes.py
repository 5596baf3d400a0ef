"""BAYES_* rules: the probability lies in one span of those that the rules of Debian name."""

from itertools import pairwise

import pytest

from gatepost.filter.evals.bayes import EVALS

BOUNDS = ("0.00", "0.01", "0.05", "0.20", "0.40", "0.60", "0.80", "0.95", "0.99", "1.00")
SPANS = tuple(pairwise(BOUNDS))


class Message:
    """As much of an Examined as the function asks for."""

    def __init__(self, bayes: float | None, *use: str) -> None:
        self.bayes = bayes
        self._use = use

    def option(self, name: str) -> tuple[str, ...]:
        return self._use if name == "use_bayes_rules" else ()


def hits(message: Message) -> list[tuple[str, str]]:
    return [span for span in SPANS if EVALS["check_bayes"](message, span)]


@pytest.mark.parametrize(
    ("probability", "span"),
    [
        (0.0, SPANS[0]),
        (0.01, SPANS[0]),
        (0.0100001, SPANS[1]),
        (0.5, SPANS[4]),
        (0.99, SPANS[7]),
        (0.991, SPANS[8]),
        (1.0, SPANS[8]),
    ],
)
def test_each_probability_lies_in_one_span(probability: float, span: tuple[str, str]) -> None:
    assert hits(Message(probability)) == [span]


def test_where_bayes_says_nothing_no_rule_hits() -> None:
    assert hits(Message(None)) == []


def test_rules_can_be_turned_off_and_learning_left_on() -> None:
    assert hits(Message(0.5, "1", "0")) == []
    assert hits(Message(0.5, "0", "1")) == [SPANS[4]]
