"""Password hashes, computed in a few threads of a worker: each takes milliseconds and megabytes, which a crowd of guessers must
not get at once, and the event loop never."""

from collections.abc import Callable
from typing import Final, TypeVar

from gatepost.lookup.blocking import BlockingCalls, Hangs

T = TypeVar("T")

THREADS: Final = 2
WAITING: Final = 64
TIME_LIMIT: Final = 30.0


class Busy(Exception):
    """There are too many hashes to be computed at the moment."""


class Hashing:
    """`threads`: so many at one time; `waiting`: so many in line, with those; `time_limit`: seconds from asking to the answer."""

    def __init__(self, threads: int = THREADS, waiting: int = WAITING, time_limit: float = TIME_LIMIT) -> None:
        self._calls = BlockingCalls(threads, time_limit)
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
