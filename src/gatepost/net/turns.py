"""Long work in the event loop gives others their turn, so that no message, however shaped, holds up other sessions."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

SLICE: Final = 0.005
"""Seconds of work after which others have their turn."""


_MUCH: Final = 8192
"""Octets that are worth a thread: what is made of fewer is done by then."""

P = ParamSpec("P")
T = TypeVar("T")


async def beside(size: int, work: Callable[P, T], *words: P.args, **named: P.kwargs) -> T:
    """`work(*words)`, which cannot give others their turn: in a thread where the `size` of what it takes, in octets, is much."""
    if size <= _MUCH:
        return work(*words, **named)
    return await asyncio.to_thread(work, *words, **named)


class Turns:
    """One piece of work that may be long. `clock`: seconds, of any origin.

    if turns.over():
        await turns.rest()
    """

    __slots__ = ("_begun", "_clock")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()

    def begin(self) -> None:
        """Work begins now: others have just had their turn."""
        self._begun = self._clock()

    def over(self) -> bool:
        """Whether it is time for others."""
        return self._clock() - self._begun >= SLICE

    async def rest(self) -> None:
        """Let all others go on that can."""
        await asyncio.sleep(0)
        self.begin()
