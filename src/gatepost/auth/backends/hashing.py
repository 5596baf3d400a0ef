"""Password hashes, computed in a few threads of a worker: each takes milliseconds and megabytes, which a crowd of guessers must
not get at once, and the event loop never. The threads stand behind the sessions: whoever is logged in goes on while guesses from
everywhere keep them busy."""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from gatepost.lookup.blocking import BlockingCalls, Hangs

T = TypeVar("T")

THREADS: Final = 2
WAITING: Final = 64
TIME_LIMIT: Final = 30.0
NICE: Final = 10
"""How much less the threads are worth than the rest of their process (nice(2)): a ninth of its share, where it wants all."""


class Busy(Exception):
    """There are too many hashes to be computed at the moment."""


class Hashing:
    """`threads`: so many at one time; `waiting`: so many in line, with those; `time_limit`: seconds from asking to the answer."""

    def __init__(self, threads: int = THREADS, waiting: int = WAITING, time_limit: float = TIME_LIMIT) -> None:
        self._calls = BlockingCalls(threads, time_limit, first=_stand_behind)
        self._most = waiting
        self._waiting = 0

    async def run(self, compute: Callable[[], T]) -> T:
        """What `compute` returns or raises, in a thread. Raises Busy where no more may wait, or it takes too long."""
        if self._waiting >= self._most:
            raise Busy("too many password hashes are being computed")
        self._waiting += 1
        try:
            return await self._calls.run(object(), compute)
        except Hangs as hangs:
            raise Busy(f"password hash: {hangs.why}") from None
        finally:
            self._waiting -= 1


def _stand_behind() -> None:
    """Where a thread has a priority of its own."""
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICE)
