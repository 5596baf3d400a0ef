"""Warnings of which whoever sends mail could make as many as he likes: each is told once a minute, and few in a minute."""

from collections.abc import Callable, Hashable
from typing import Final

from gatepost.lookup.opening import Warn

_PAUSE: Final = 60.0
_MOST: Final = 100
"""Different ones in a minute: a server may repeat in its words what it was asked, and so what a sender wrote."""


class Sparing:
    """`clock`: seconds."""

    def __init__(self, warn: Warn, clock: Callable[[], float]) -> None:
        self._warn = warn
        self._clock = clock
        self._told: dict[Hashable, float] = {}

    def warn(self, about: Hashable, text: str) -> None:
        """Tell it unless something was told `about` the same in the last minute, or enough of other things."""
        now = self._clock()
        if now - self._told.get(about, -_PAUSE) < _PAUSE:
            return
        if len(self._told) >= _MOST:
            self._told = {told: when for told, when in self._told.items() if now - when < _PAUSE}
        if len(self._told) < _MOST:
            self._told[about] = now
            self._warn(text)
