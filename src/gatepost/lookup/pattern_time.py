"""How much of the processor's time slow patterns may take for one session, message or delivery.

One pattern that exceeds its limit finds nothing, as in Postfix. Whoever makes patterns slow on purpose would so lead his mail past
them, and hold up everybody: so there is an end to it, and beyond it the answer is a temporary failure. Quick searches are not
counted, since adding them up would refuse a long session.
"""

import time
from contextvars import ContextVar
from typing import Final

from gatepost.lookup.port import LookupFailure

SECONDS: Final = 2.0

cpu: Final = time.thread_time
wall: Final = time.perf_counter


class PatternTime:
    """What is left, in seconds, of the time of a `client` (its address; empty: of the mail system).

    `suspicious`: something took long by the clock on the wall, which is quicker to ask. From then on the processor's is asked,
    since others may have had the processor meanwhile.
    """

    __slots__ = ("client", "left", "suspicious")

    def __init__(self, client: str = "", seconds: float = SECONDS) -> None:
        self.client = client
        self.left = seconds
        self.suspicious = False

    def spend(self, seconds: float, table: str) -> None:
        """Raises LookupFailure where nothing is left."""
        self.left -= seconds
        if self.left < 0:
            raise LookupFailure(table, f"slow patterns have taken more than {SECONDS:g} s for one client or message")


_current: ContextVar[PatternTime | None] = ContextVar("pattern_time", default=None)


def current() -> PatternTime:
    """What the session, message or delivery at hand has left; anything else has the time for each lookup."""
    return _current.get() or PatternTime()


def begin() -> None:
    """What is done from now on, in this task and those that it starts, has its own time."""
    _current.set(PatternTime())


class apart:
    """What is done inside has its own time, as the same client's. A generator would cost each message twice as much."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        outer = _current.get()
        self._token = _current.set(PatternTime(outer.client if outer else ""))

    def __exit__(self, *exception: object) -> None:
        _current.reset(self._token)
