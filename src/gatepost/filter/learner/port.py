"""What the learner is told, and what it says of a message."""

from msgspec import Struct


class Settings(Struct, frozen=True):
    """Parameters of the learner.

    points: the most that it adds to, or takes off, the score of the rules, once it has learned enough.
    labels: how many messages of both kinds are enough.
    rules: what the points of rules are still worth then, 0 to 1.
    """

    points: float = 8.0
    labels: int = 1000
    rules: float = 0.25


class Weight(Struct, frozen=True):
    """What a token adds to the sum that probability is made of: above 0 for spam, below for ham. `token`: as people read it."""

    token: str
    weight: float


class Opinion(Struct, frozen=True):
    """What the learner says of a message.

    probability: 0 (ham) to 1 (spam).
    points: what it adds to the score of the rules.
    rules: what the points of the rules count beside it: 1 while it knows little, less once it leads.
    ham, spam: messages of each kind that it has learned from.
    tokens: those that weighed most, the weightiest first.
    lesson: what there is to learn from the message, for whoever has it learned (`lesson.py`).
    """

    probability: float = 0.5
    points: float = 0.0
    rules: float = 1.0
    ham: int = 0
    spam: int = 0
    tokens: tuple[Weight, ...] = ()
    lesson: bytes = b""
