"""A lock that clients take turns at: who asks often waits for his own, not others for him."""

import asyncio
from collections import deque


class FairTurn:
    """Held by one at a time. Of those who wait, each client's first goes on in turn, then each one's second."""

    __slots__ = ("_held", "_waiting")

    def __init__(self) -> None:
        self._held = False
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def acquire(self, who: str, patience: float) -> None:
        """Wait for `who`'s turn, at most `patience` seconds. Raises TimeoutError."""
        if not self._held:
            self._held = True
            return
        mine = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(who, deque()).append(mine)
        try:
            async with asyncio.timeout(patience):
                await mine
        except BaseException:
            if mine.done() and not mine.cancelled():
                self.release()  # it came in the same moment, and is for the next
            else:
                self._forget(who, mine)
            raise

    def release(self) -> None:
        """Whoever is next goes on."""
        while self._waiting:
            who, line = next(iter(self._waiting.items()))
            del self._waiting[who]
            first = line.popleft()
            if line:
                self._waiting[who] = line  # behind everybody else
            if not first.done():
                first.set_result(None)
                return
        self._held = False

    def _forget(self, who: str, mine: "asyncio.Future[None]") -> None:
        line = self._waiting.get(who)
        if line is not None and mine in line:
            line.remove(mine)
            if not line:
                del self._waiting[who]
