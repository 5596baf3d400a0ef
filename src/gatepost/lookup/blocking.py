"""System calls that may hang, such as an account database or a file system over the network, out of the event loop's way.

A few threads make them, each with a deadline. What hangs keeps its thread: once all are kept, whoever asks is told so at once
instead of waiting in a line that does not move, until one of them comes back.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from gatepost.lookup.port import LookupFailure

T = TypeVar("T")

_LONGEST_LINE = 1000  # calls that wait for a thread


class Hangs(LookupFailure):
    """A call has not come back in time, or cannot be made because others have not."""

    def __init__(self, why: str) -> None:
        super().__init__("system", why)


class BlockingCalls:
    """Makes calls in at most `threads` threads, and waits `time_limit` seconds for each. `clock`: seconds; `first`: what a thread
    does before its first call."""

    def __init__(
        self,
        threads: int,
        time_limit: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        first: Callable[[], None] = lambda: None,
    ) -> None:
        self.time_limit = time_limit
        self._most = threads
        self._clock = clock
        self._first = first
        self._line: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._threads = 0
        self._pending: dict[Hashable, asyncio.Future[Any]] = {}
        self._begun: dict[Hashable, float] = {}

    async def run(self, key: Hashable, call: Callable[[], T]) -> T:
        """What `call` returns or raises; those who ask for the same `key` meanwhile share it. Raises Hangs."""
        pending = self._pending.get(key)
        if pending is None:
            pending = self._put(key, call)
        done, _ = await asyncio.wait((pending,), timeout=self.time_limit)
        if not done:
            raise Hangs(f"no answer within {self.time_limit:g} seconds")
        return cast(T, pending.result())

    def _put(self, key: Hashable, call: Callable[[], T]) -> "asyncio.Future[T]":
        late = self._clock() - self.time_limit
        if sum(begun <= late for begun in [*self._begun.values()]) >= self._most or len(self._pending) >= _LONGEST_LINE:
            raise Hangs("no answer to earlier questions")
        loop = asyncio.get_running_loop()
        pending: asyncio.Future[T] = loop.create_future()
        pending.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps nobody waits any more
        self._pending[key] = pending

        def make() -> None:
            self._begun[key] = self._clock()
            outcome = _outcome(call)
            del self._begun[key]
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._settle, key, outcome)

        self._line.put(make)
        if self._threads < min(self._most, len(self._pending)):
            self._threads += 1
            # A daemon: a call that hangs must not keep the process from ending.
            threading.Thread(target=self._work, name="blocking call", daemon=True).start()
        return pending

    def _work(self) -> None:
        self._first()
        while True:
            self._line.get()()

    def _settle(self, key: Hashable, outcome: tuple[object, Exception | None]) -> None:
        pending = self._pending.pop(key)
        result, error = outcome
        if pending.done():
            return
        if error is None:
            pending.set_result(result)
        else:
            pending.set_exception(error)


def _outcome(call: Callable[[], T]) -> tuple[T | None, Exception | None]:
    """What a call returns and what it raises, whichever it is."""
    try:
        return call(), None
    except Exception as error:  # it is raised again where it is waited for
        return None, error
