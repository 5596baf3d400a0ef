"""Who may have one of few connections, and who is next: owners take turns, and none has more than a share.

An owner is whoever makes the work: a client, a sender, a user. One that makes much of it waits behind his own.
"""

import asyncio
from collections import OrderedDict, deque
from itertools import islice

from gatepost.net.stream_port import Crowd, StreamFailure, Trouble


class FairSlots:
    """Slots to be taken and given back. An owner of the empty name has no share to keep to."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._free = crowd.connections
        self._held: dict[str, int] = {}
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()  # the owner whose turn it is comes first
        self._waiting = 0

    def take_free(self, owner: str = "") -> bool:
        """A slot, if one can be had without waiting. Where one is free, those who wait have their shares already."""
        if not self._free or not self._may(owner):
            return False
        self._grant(owner)
        return True

    async def take(self, owner: str = "") -> None:
        """A slot. Raises StreamFailure (BUSY) where too many wait, of whom this owner has as many as any other."""
        if self.take_free(owner):
            return
        self._make_room(owner)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(owner, deque()).append(turn)
        self._waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give(owner)  # it had been granted, and nobody will use it
            else:
                self._forget(owner, turn)
            raise

    async def take_in_time(self, owner: str = "", seconds: float = 0) -> None:
        """A slot within so many seconds, 0 for any number. Raises StreamFailure (BUSY)."""
        if self.take_free(owner):
            return
        try:
            async with asyncio.timeout(seconds or None):
                await self.take(owner)
        except TimeoutError:
            raise StreamFailure(Trouble.BUSY) from None

    def give(self, owner: str = "") -> None:
        """The slot back."""
        self._free += 1
        left = self._held[owner] - 1
        if left:
            self._held[owner] = left
        else:
            del self._held[owner]
        self._next()

    def _may(self, owner: str) -> bool:
        return not owner or self._held.get(owner, 0) < self._crowd.share

    def _grant(self, owner: str) -> None:
        self._free -= 1
        self._held[owner] = self._held.get(owner, 0) + 1

    def _next(self) -> None:
        """Whoever is next and may. At most connections / share owners are passed over, for more cannot have had their share."""
        for owner in tuple(islice(self._queues, self._crowd.connections + 1)) if self._free else ():
            if self._may(owner) and (turn := self._first(owner)) is not None:
                self._grant(owner)
                turn.set_result(None)
                return

    def _first(self, owner: str) -> "asyncio.Future[None] | None":
        """The first of an owner who still waits, taken from the queue; then it is the others' turn."""
        queue = self._queues[owner]
        turn = None
        while queue and turn is None:
            turn = queue.popleft()
            self._waiting -= 1
            if turn.done():  # cancelled, and not come to know of it yet
                turn = None
        if queue:
            self._queues.move_to_end(owner)
        else:
            del self._queues[owner]
        return turn

    def _forget(self, owner: str, turn: "asyncio.Future[None]") -> None:
        queue = self._queues.get(owner)
        if queue is not None and turn in queue:
            queue.remove(turn)
            self._waiting -= 1
            if not queue:
                del self._queues[owner]

    def _make_room(self, owner: str) -> None:
        """A place to wait: the newest of the owner with most gives way to one with less."""
        if self._waiting < self._crowd.waiting:
            return
        most = max(self._queues, key=lambda one: len(self._queues[one]), default="")
        if len(self._queues.get(most, ())) <= len(self._queues.get(owner, ())) + 1:
            raise StreamFailure(Trouble.BUSY)
        turn = self._queues[most].pop()
        self._waiting -= 1
        if not turn.done():
            turn.set_exception(StreamFailure(Trouble.BUSY))
