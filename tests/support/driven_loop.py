"""An event loop whose time passes only when nothing else can happen: real sockets, and no waiting for time limits."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_PATIENCE = 0.005
"""Seconds of the real clock in which the system may still bring something before a time limit passes."""


class _Selector(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout is not None else None)
        if not ready and timeout is not None and timeout > 0:
            ready = super().select(_PATIENCE)
            if not ready:
                self.now += timeout
        return ready


class DrivenLoop(asyncio.SelectorEventLoop):
    """`time()` begins at 1000 seconds."""

    def __init__(self) -> None:
        self._driven = _Selector()
        super().__init__(self._driven)

    def time(self) -> float:
        return 1000 + self._driven.now


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop of its own."""
    with asyncio.Runner(loop_factory=DrivenLoop) as runner:
        return runner.run(coroutine)
