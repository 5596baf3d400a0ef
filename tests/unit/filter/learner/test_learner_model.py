"""The model learns what tells spam from ham, and the text cannot pull as far as it likes."""

from array import array

import pytest

from gatepost.filter.learner.model import TEXT_PULL, Bias, group_sums, learn, logit, probability

SPAM = ((1, 2), (10,), (), (20, 21))
HAM = ((3, 4), (11,), (), (22,))


def taught(times: int) -> tuple["array[float]", Bias]:
    weights, moved, bias = array("f", bytes(400)), array("f", bytes(400)), Bias()
    for _ in range(times):
        learn(weights, moved, bias, SPAM, True)
        learn(weights, moved, bias, HAM, False)
    return weights, bias


def test_it_tells_what_it_has_learned() -> None:
    weights, bias = taught(60)
    assert probability(logit(group_sums(weights, SPAM), bias.weight)) > 0.85
    assert probability(logit(group_sums(weights, HAM), bias.weight)) < 0.15


def test_what_it_knows_well_it_does_not_learn_again() -> None:
    weights, bias = taught(200)
    before = weights[:]
    learn(weights, array("f", bytes(400)), bias, SPAM, True)
    assert weights == before


def test_each_group_is_weighed_by_itself() -> None:
    weights = array("f", [1.0] * 100)
    assert group_sums(weights, ((1, 2, 3), (4,), (), ())) == pytest.approx([3 / 2, 1 / 2**0.5, 0, 0])


def test_good_words_go_only_so_far() -> None:
    assert logit([-100.0, 1.0, 1.0, 1.0], 0.0) == 3 - TEXT_PULL
    assert logit([100.0, 0.0, 0.0, 0.0], 0.0) == 100


def test_no_logit_is_too_large() -> None:
    assert probability(1e9) == 1.0
    assert probability(-1e9) < 1e-100
