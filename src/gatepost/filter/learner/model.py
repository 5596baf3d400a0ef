"""The model: one logistic regression that learns a message at a time.

A message's logit is the sum of what its groups of features say (`features.py`), each the sum of its weights divided by the root of
how many there are, so that no group outweighs the others by its length. How far the text may pull towards ham is bounded, so that
good words added to spam do not carry it through; and the other groups learn on their own as well, so that they can tell without
the text. A message that is told with some room teaches nothing: most are.

Steps are AdaGrad's (J. Duchi, E. Hazan, Y. Singer, "Adaptive Subgradient Methods", 2011): each weight's shrink by how much it has
moved already. What was measured: docs/decisions/0051.
"""

import math
from collections.abc import Sequence
from typing import Final, Protocol

from msgspec import Struct

STEP: Final = 0.16
MARGIN: Final = 0.1
"""How far from its label a probability must be for a message to teach."""
TEXT_PULL: Final = 0.5
"""How much of a logit the text (the first group) can take off it."""
_TINY: Final = 1e-9

Slots = Sequence[Sequence[int]]
"""The places of a message's features, a group each."""


class Table(Protocol):
    """A number for each slot."""

    def __getitem__(self, slot: int, /) -> float: ...

    def __setitem__(self, slot: int, value: float, /) -> None: ...


class Bias(Struct):
    """The one weight that every message has, and how much it has moved."""

    weight: float = 0.0
    moved: float = 0.0


def group_sums(weights: Table, slots: Slots) -> list[float]:
    """What each group says: above 0 for spam."""
    return [sum([weights[slot] for slot in group]) / math.sqrt(len(group) + 1) for group in slots]


def logit(sums: Sequence[float], bias: float) -> float:
    """What they say together."""
    return bias + max(sums[0], -TEXT_PULL) + sum(sums[1:])


def learn(weights: Table, moved: Table, bias: Bias, slots: Slots, spam: bool) -> None:
    """Take a message into account. `moved`: how much each weight has, squared."""
    sums = group_sums(weights, slots)
    together = _error(logit(sums, bias.weight), spam)
    alone = _error(bias.weight + sum(sums[1:]), spam)
    for number, group in enumerate(slots):
        error = together if number == 0 else together + alone
        if number == 0 and error < 0 and sums[0] < -TEXT_PULL:
            continue  # it could not say ham any louder
        if error and group:
            _move(weights, moved, group, error / math.sqrt(len(group) + 1))
    if together:
        bias.moved += together * together
        bias.weight += STEP / 2 * together / math.sqrt(bias.moved + _TINY)


def _error(value: float, spam: bool) -> float:
    """How far a logit's probability is from the label, 0 within the margin."""
    error = spam - probability(value)
    return error if abs(error) > MARGIN else 0.0


def _move(weights: Table, moved: Table, group: Sequence[int], gradient: float) -> None:
    square, step, root = gradient * gradient, STEP * gradient, math.sqrt
    for slot in group:
        moved[slot] = so_far = moved[slot] + square
        weights[slot] += step / root(so_far + _TINY)


def probability(value: float) -> float:
    """The probability of spam that a logit stands for."""
    return 1 / (1 + math.exp(-max(-500.0, min(500.0, value))))
