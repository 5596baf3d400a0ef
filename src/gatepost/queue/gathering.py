"""What gathers in the event loop for the next commit, while one is on its way to the disk.

All that one turn of the loop brings goes together; so does all that comes while the committer is busy. The committer's thread
is woken once a commit and not once a message: between two threads every wake costs as much as a small write.
"""

import asyncio
from collections.abc import Callable, Sequence

from gatepost.queue.committer import Batch, Job, Put
from gatepost.queue.port import Settlement

LINGER = 0.002
"""Seconds to wait for company: for settlements, since nobody waits for them (a crash meanwhile delivers those messages a second
time), and for a put while other messages are coming in. A commit of four messages costs half as much a message as one of two."""


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

    def flush(self) -> None:
        """Give the committer what has gathered."""
        self._urgent = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch = self._batch
        if batch.puts or batch.jobs or batch.settlements:
            self._batch, self._busy = Batch(), True
            self._submit(batch)

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
