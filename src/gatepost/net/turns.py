"""Long work in the event loop gives others their turn, so that no message, however shaped, holds up other sessions."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

SLICE: Final = 0.005
"""Seconds of work after which others have their turn."""


class Turns:
    """One piece of work that may be long. `clock`: seconds, of any origin.

    if turns.over():
        await turns.rest()
    """

    __slots__ = ("_begun", "_clock")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()

    def over(self) -> bool:
        """Whether it is time for others."""
        return self._clock() - self._begun >= SLICE

    async def rest(self) -> None:
        """Let all others go on that can."""
        await asyncio.sleep(0)
        self._begun = self._clock()
