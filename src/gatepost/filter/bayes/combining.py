"""How probable spam is, from how often each token of a message was in spam and in ham.

Each token has a probability of its own (Robinson's f(w), which pulls what was seen seldom towards what is known of the unseen); the
150 that say most are put together by Fisher's method, once as if the message were spam and once as if it were ham, and what
remains between the two is the answer: 0.5 where both or neither fit.

Source: G. Robinson, "A Statistical Approach to the Spam Problem", Linux Journal, March 2003; numbers as SpamAssassin 4 has them.
"""

import math
from collections.abc import Iterable
from typing import Final

from gatepost.filter.bayes.port import Count, Learned

_STRENGTH: Final = 0.030
"""How much what is known of the unseen weighs against each message that had the token."""
_UNSEEN: Final = 0.538
_TELLING: Final = 0.346
"""How far from the middle a token must lie to count."""
_MOST: Final = 150
_BEGINNING: Final = math.log(0.5)
"""What SpamAssassin 4 begins each product with; Fisher's method has no such factor."""
_LEAST: Final = 1e-300


def probability(counts: Iterable[Count], learned: Learned, *, hapaxes: bool = True) -> float | None:
    """From 0 (ham) to 1 (spam); None where no token says anything. `hapaxes`: whether what was in one message only counts."""
    found = [of_token(count, learned) for count in counts if count.spam + count.ham >= (1 if hapaxes else 2)]
    telling = sorted((p for p in found if abs(p - 0.5) >= _TELLING), key=lambda p: -abs(p - 0.5))[:_MOST]
    return combined(telling) if telling else None


def of_token(count: Count, learned: Learned) -> float:
    """How probable spam is, from one token. Both kinds have been learned."""
    spam, ham = count.spam / learned.spam, count.ham / learned.ham
    seen = count.spam + count.ham
    return (_STRENGTH * _UNSEEN + seen * spam / (spam + ham)) / (_STRENGTH + seen)


def combined(probabilities: list[float]) -> float:
    """Fisher's method, both ways."""
    return (1 - _chances(1 - p for p in probabilities) + _chances(p for p in probabilities)) / 2


def _chances(factors: Iterable[float]) -> float:
    """How probable it is that a product of as many chances is so small."""
    logarithms = [math.log(max(factor, _LEAST)) for factor in factors]
    return _chi_square(-2 * (sum(logarithms) + _BEGINNING), 2 * len(logarithms))


def _chi_square(value: float, freedom: int) -> float:
    """How probable chances alone come to so much or more, with an even number of degrees of freedom."""
    half = value / 2
    logarithm = -half
    total = math.exp(logarithm)
    for step in range(1, freedom // 2):
        logarithm += math.log(half / step) if half > 0 else -math.inf
        total += math.exp(logarithm)
    return min(total, 1.0)
