"""What Bayes asks of what it has learned, and what it says of a message."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from msgspec import Struct


class Learned(Struct, frozen=True):
    """How many messages of a kind have been learned."""

    ham: int = 0
    spam: int = 0


class Count(Struct, frozen=True, gc=False):
    """In how many messages of a kind a token was. `seen_at`: when last, seconds since 1970."""

    spam: int = 0
    ham: int = 0
    seen_at: int = 0


class Memory(Protocol):
    """What has been learned, for whoever only looks. Nothing is opened: it works behind walls."""

    def learned(self) -> Learned: ...

    def counts(self, tokens: Iterable[bytes]) -> Mapping[bytes, Count]:
        """Those of these tokens that are known."""
        ...


class Opinion(Struct, frozen=True):
    """What Bayes says of a message.

    probability: 0 (ham) to 1 (spam); None where too little has been learned, or the message is not to be judged.
    lesson: what there is to learn from the message, for whoever has it learned (`lesson.py`).
    """

    probability: float | None = None
    lesson: bytes = b""
