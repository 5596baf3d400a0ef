"""What gathers in the event loop for the next commit, while one is on its way to the disk.

All that one turn of the loop brings goes together; so does all that comes while the committer is busy. The committer's thread
is woken once a commit and not once a message: between two threads every wake costs as much as a small write.
"""

import asyncio
from collections.abc import Callable, Sequence

from gatepost.queue.committer import Batch, Job, Put
from gatepost.queue.port import Settlement

LINGER = 0.005
"""Seconds to wait for company: for settlements, since nobody waits for them (a crash meanwhile delivers those messages a second
time), and for a put while other messages are coming in. A commit of four messages costs half as much a message as one of two."""

SETTLED_AT_ONCE = 1000
"""Settlements of one commit, so that no put waits long when a destination dies. A job may look at what was settled before it: it
waits until all of that is through."""


class Gathering:
    """`submit(batch)` gives a batch to the committer; `committed` is to be called when it is through."""

    def __init__(self, loop: asyncio.AbstractEventLoop, submit: Callable[[Batch], object]) -> None:
        self._loop = loop
        self._submit = submit
        self._batch = Batch()
        self._busy = False
        self._urgent = False
        self._timer: asyncio.TimerHandle | None = None

    def put(self, item: Put, *, company: bool) -> None:
        """Store this with the next commit. `company`: another message is likely to come at once."""
        self._batch.puts.append(item)
        self._linger() if company else self._hurry()

    def run(self, item: Job) -> None:
        """Run this in the next commit."""
        self._batch.jobs.append(item)
        self._hurry()

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record these soon."""
        self._batch.settlements.extend(settlements)
        self._linger()

    def committed(self) -> None:
        """The committer is free."""
        self._busy = False
        self._due()

    def flush(self) -> bool:
        """Give the committer what has gathered, or as much of it as one commit takes. False where there was nothing."""
        self._urgent = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._batch = self._batch, Batch()
        if len(batch.settlements) > SETTLED_AT_ONCE:
            self._batch.settlements = batch.settlements[SETTLED_AT_ONCE:]
            del batch.settlements[SETTLED_AT_ONCE:]
            self._batch.jobs, batch.jobs = batch.jobs, []
            self._urgent = bool(self._batch.jobs)
            self._linger()
        if not (batch.puts or batch.jobs or batch.settlements):
            return False
        self._busy = True
        self._submit(batch)
        return True

    def _linger(self) -> None:
        if self._timer is None and not self._urgent:
            self._timer = self._loop.call_later(LINGER, self._lingered)

    def _lingered(self) -> None:
        self._timer = None
        self._urgent = True
        self._due()

    def _hurry(self) -> None:
        if not self._urgent:
            self._urgent = True
            if not self._busy:
                self._loop.call_soon(self._due)

    def _due(self) -> None:
        if self._urgent and not self._busy:
            self.flush()
