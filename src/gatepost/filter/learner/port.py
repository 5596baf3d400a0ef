"""What the learner says of a message."""

from msgspec import Struct


class Weight(Struct, frozen=True):
    """What a token adds to the sum that probability is made of: above 0 for spam, below for ham. `token`: as people read it."""

    token: str
    weight: float


class Opinion(Struct, frozen=True):
    """What the learner says of a message.

    probability: 0 (ham) to 1 (spam).
    points: what it adds to the score of the rules.
    ham, spam: messages of each kind that it has learned from.
    tokens: those that weighed most, the weightiest first.
    lesson: what there is to learn from the message, for whoever has it learned.
    """

    probability: float = 0.5
    points: float = 0.0
    ham: int = 0
    spam: int = 0
    tokens: tuple[Weight, ...] = ()
    lesson: bytes = b""
