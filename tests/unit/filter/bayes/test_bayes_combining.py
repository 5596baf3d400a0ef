"""Probabilities as SpamAssassin 4.0.1 reckons them: the figures are its own (`spamassassin -D bayes`)."""

import pytest

from gatepost.filter.bayes.combining import combined, of_token, probability
from gatepost.filter.bayes.port import Count, Learned

LEARNED = Learned(ham=500, spam=500)
TOKENS = [
    (Count(spam=11), 0.998743427017226), (Count(spam=7), 0.998028449502134), (Count(spam=1), 0.986543689320388),
    (Count(ham=2), 0.00795073891625616), (Count(ham=1), 0.0156699029126214), (Count(spam=39, ham=1), 0.974672495628279),
    (Count(spam=119, ham=9), 0.929595719753183),
]  # fmt: skip
MESSAGE = [
    0.998743427017226, 0.998028449502134, 0.998028449502134, 0.996560794044665, 0.996560794044665, 0.995425742574258,
    0.993172413793104, 0.993172413793104, 0.993172413793104, 0.00795073891625616, 0.986543689320388, 0.986543689320388,
    0.986543689320388, 0.0156699029126214, 0.0156699029126214, 0.0156699029126214, 0.974672495628279, 0.929595719753183,
    0.924709967524357,
]  # fmt: skip


@pytest.mark.parametrize(("count", "expected"), TOKENS)
def test_a_token(count: Count, expected: float) -> None:
    assert of_token(count, LEARNED) == pytest.approx(expected, abs=1e-12)


def test_a_message() -> None:
    assert combined(MESSAGE) == pytest.approx(0.76940676800869, abs=1e-9)


def test_tokens_that_say_little_do_not_count() -> None:
    assert probability([Count(spam=5, ham=5)], LEARNED) is None
    assert probability([], LEARNED) is None


def test_hapaxes_can_be_left_out() -> None:
    assert probability([Count(spam=1)], LEARNED, hapaxes=False) is None
    assert probability([Count(spam=1)], LEARNED) is not None


def test_what_says_very_much_is_still_a_number() -> None:
    assert probability([Count(spam=2**31)] * 1000, Learned(ham=1, spam=2**31)) == pytest.approx(1.0)
