"""Warnings of which whoever sends mail could make as many as he likes: each is told once a minute."""

from collections.abc import Callable, Hashable
from typing import Final

from gatepost.lookup.opening import Warn

_PAUSE: Final = 60.0


class Sparing:
    """`clock`: seconds."""

    def __init__(self, warn: Warn, clock: Callable[[], float]) -> None:
        self._warn = warn
        self._clock = clock
        self._told: dict[Hashable, float] = {}

    def warn(self, about: Hashable, text: str) -> None:
        """Tell it unless something was told `about` the same in the last minute. There are as many as a table has lines."""
        now = self._clock()
        if now - self._told.get(about, -_PAUSE) >= _PAUSE:
            self._told[about] = now
            self._warn(text)
