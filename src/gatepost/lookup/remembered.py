"""Answers of a server that count for a while, so that the addresses of one message, or of one burst, are asked about once.

What was not found is remembered apart from what was, so that guesses at addresses push out nobody.
"""

from collections.abc import Callable
from typing import Final

ROOM: Final = 4096
"""Answers of either kind."""
_LONGEST: Final = 4096
"""Characters of an answer that is remembered; longer ones are rare, and many of them would be much memory."""


class Remembered:
    """`lifetime`: seconds, 0 for none at all. `clock`: seconds that only go forward."""

    __slots__ = ("_clock", "_found", "_lifetime", "_missing")

    def __init__(self, lifetime: float, clock: Callable[[], float]) -> None:
        self._lifetime = lifetime
        self._clock = clock
        self._found: dict[str, tuple[float, str | None]] = {}
        self._missing: dict[str, tuple[float, str | None]] = {}

    def get(self, key: str) -> tuple[bool, str | None]:
        """(whether the answer is known, the answer)."""
        known = self._found.get(key) or self._missing.get(key)
        if known is None or known[0] <= self._clock():
            return False, None
        return True, known[1]

    def keep(self, key: str, answer: str | None) -> None:
        """What the server has just said."""
        if not self._lifetime:
            return
        self._found.pop(key, None)  # it may have come, or gone
        self._missing.pop(key, None)
        kind = self._missing if answer is None else self._found
        if len(kind) >= ROOM:
            del kind[next(iter(kind))]  # the oldest: all count equally long
        if answer is None or len(answer) <= _LONGEST:
            kind[key] = (self._clock() + self._lifetime, answer)
