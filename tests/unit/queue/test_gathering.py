"""What goes into a commit: all that one turn of the loop brings, and while the committer is busy all that comes."""

import asyncio
from typing import Any

from gatepost.mail.outcome import sent
from gatepost.mail.queue_id import QueueId
from gatepost.queue.committer import Batch, Job, Put
from gatepost.queue.gathering import LINGER, SETTLED_AT_ONCE, Gathering
from gatepost.queue.port import Settlement, Status

SENT = Settlement(QueueId(1, 1), 0, Status.DELIVERED, sent("ok"))


class Clocked:
    """A loop's timers, moved by hand."""

    def __init__(self) -> None:
        self.soon: list[Any] = []
        self.timers: list[tuple[float, Any, Handle]] = []

    def call_soon(self, callback: Any) -> None:
        self.soon.append(callback)

    def call_later(self, delay: float, callback: Any) -> "Handle":
        handle = Handle()
        self.timers.append((delay, callback, handle))
        return handle

    def turn(self) -> None:
        soon, self.soon = self.soon, []
        for callback in soon:
            callback()

    def wait(self) -> None:
        timers, self.timers = self.timers, []
        for _, callback, handle in timers:
            if not handle.cancelled:
                callback()


class Handle:
    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


def gathering() -> tuple[Gathering, Clocked, list[Batch]]:
    loop, batches = Clocked(), list[Batch]()
    return Gathering(loop, batches.append), loop, batches  # type: ignore[arg-type]


def put() -> Put:
    return Put(None, 0, asyncio.Future.__new__(asyncio.Future))  # type: ignore[arg-type]


def test_one_turn_is_one_batch() -> None:
    gather, loop, batches = gathering()
    gather.put(put(), company=False)
    gather.settle([SENT])
    gather.put(put(), company=False)
    assert batches == []
    loop.turn()
    assert [(len(b.puts), len(b.settlements)) for b in batches] == [(2, 1)]


def test_what_comes_while_the_committer_is_busy_goes_next() -> None:
    gather, loop, batches = gathering()
    gather.put(put(), company=False)
    loop.turn()
    gather.put(put(), company=False)
    gather.put(put(), company=False)
    loop.turn()
    assert len(batches) == 1
    gather.committed()
    assert [len(b.puts) for b in batches] == [1, 2]


def test_settlements_and_puts_in_company_linger() -> None:
    gather, loop, batches = gathering()
    gather.settle([SENT])
    gather.put(put(), company=True)
    loop.turn()
    assert batches == []
    assert [delay for delay, _, _ in loop.timers] == [LINGER]
    loop.wait()
    assert [(len(b.puts), len(b.settlements)) for b in batches] == [(1, 1)]


def test_the_last_of_a_company_ends_the_waiting() -> None:
    gather, loop, batches = gathering()
    gather.put(put(), company=True)
    gather.put(put(), company=False)
    loop.turn()
    assert [len(b.puts) for b in batches] == [2]
    loop.wait()
    gather.committed()
    assert len(batches) == 1


def test_many_settlements_are_taken_in_portions_and_a_job_comes_after_them() -> None:
    gather, loop, batches = gathering()
    gather.settle([SENT] * (SETTLED_AT_ONCE + 10))
    gather.put(put(), company=False)
    loop.turn()
    gather.committed()
    loop.wait()
    assert [(len(b.puts), len(b.settlements)) for b in batches] == [(1, SETTLED_AT_ONCE), (0, 10)]
    gather.committed()
    gather.settle([SENT] * (SETTLED_AT_ONCE + 10))
    gather.run(Job(lambda connection: None, None))
    gather.put(put(), company=False)
    loop.turn()
    gather.committed()
    parts = [(len(b.puts), len(b.settlements), len(b.jobs)) for b in batches[2:]]
    assert parts == [(1, SETTLED_AT_ONCE, 0), (0, 10, 1)]


def test_all_of_it_can_be_had_at_once() -> None:
    gather, _, batches = gathering()
    gather.settle([SENT] * (2 * SETTLED_AT_ONCE + 1))
    while gather.flush():
        continue
    assert [len(b.settlements) for b in batches] == [SETTLED_AT_ONCE, SETTLED_AT_ONCE, 1]
