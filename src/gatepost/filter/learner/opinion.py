"""What the learner says of the message at hand."""

from gatepost.filter.learner.port import Opinion
from gatepost.filter.learner.store import Weights
from gatepost.filter.port import Examined


def opinion(examined: Examined, weights: Weights | None) -> Opinion:
    """The probability that a message is spam, and the points for it. `weights`: what it has learned; None: nothing."""
    return Opinion()
