"""What the learner says of the message at hand."""

import heapq
import math
from typing import Final

from gatepost.filter.learner.features import Features, features
from gatepost.filter.learner.lesson import Lesson, packed
from gatepost.filter.learner.model import Slots, group_sums, logit, probability
from gatepost.filter.learner.port import Opinion, Settings, Weight
from gatepost.filter.learner.store import Half, Weights
from gatepost.filter.port import Examined
from gatepost.filter.teaching import message_key

_SHOWN: Final = 10
_SLOPE: Final = 2.24
_OFFSET: Final = -0.85
"""From a logit to one whose probability is right, found on mail that was not learned from (docs/decisions/0051)."""
_GROWTH: Final = 0.6
"""How the share grows with the labels: a quarter of it with a tenth of them."""


def opinion(examined: Examined, weights: Weights | None) -> Opinion:
    """The probability that a message is spam, the points for it, and what there is to learn. `weights`: what it has learned; None:
    nothing."""
    found = features(examined)
    slots = found.slots()
    lesson = packed(Lesson(message_key(examined.octets), slots))
    if weights is None:
        return Opinion(lesson=lesson)
    now, settings = weights.now, weights.settings
    part = share(now.ham, now.spam, settings)
    calibrated = _SLOPE * logit(group_sums(now.weights, slots), now.bias.weight) + _OFFSET
    bound = part * settings.points
    return Opinion(
        probability=probability(calibrated),
        points=max(-bound, min(bound, calibrated)),
        rules=1 - part * (1 - settings.rules),
        ham=now.ham,
        spam=now.spam,
        tokens=weightiest(found, slots, now),
        lesson=lesson,
    )


def share(ham: int, spam: int, settings: Settings) -> float:
    """How much the learner has to say, 0 to 1, from how many messages of both kinds it has learned."""
    return float(min(1.0, (min(ham, spam) / settings.labels) ** _GROWTH))


def weightiest(found: Features, slots: Slots, now: Half) -> tuple[Weight, ...]:
    """The tokens that weighed most, and what each adds to the logit: all of them add up to it."""
    weighed = (
        (now.weights[slot] / math.sqrt(len(places) + 1), token)
        for group, places in zip(found.groups, slots, strict=True)
        for token, slot in zip(group, places, strict=True)
    )
    return tuple(Weight(token, weight) for weight, token in heapq.nlargest(_SHOWN, weighed, key=lambda pair: abs(pair[0])))
