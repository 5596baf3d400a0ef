"""What Bayes says of the message at hand."""

from gatepost.filter.bayes.port import Memory, Opinion
from gatepost.filter.port import Examined


def opinion(examined: Examined, memory: Memory | None) -> Opinion:
    """The probability that a message is spam. `memory`: what has been learned; without it there is no probability."""
    return Opinion()
