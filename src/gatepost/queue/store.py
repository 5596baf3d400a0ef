"""A queue partition in SQLite: what the event loop sees of it. The work is done by the committer's thread.

Contract: when `put` returns, the message is on stable storage (the write-ahead log is synced by every commit).
Failure: a disk that is full, slow or broken makes `put` raise QueueUnavailable within `commit_timeout` seconds.
"""

import asyncio
import functools
import itertools
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gatepost.events.records import Emit, Event, Note
from gatepost.mail.queue_id import QueueId
from gatepost.mail.submission import QueueUnavailable
from gatepost.queue import ownership, schema, steps
from gatepost.queue.committer import Batch, Committer, Job, Put, forgetting, shelving
from gatepost.queue.contents import ContentFiles
from gatepost.queue.gathering import Gathering
from gatepost.queue.ledger import purge
from gatepost.queue.port import NewMessage, Settlement
from gatepost.queue.salvage import heal
from gatepost.queue.transaction import (
    Claim,
    Claimed,
    DamagedMessage,
    claim,
    claim_fresh,
    hasten,
    hold_damaged,
    keep_under_way,
    let_go_active,
    let_go_under_way,
    live,
    mark,
    requeued,
)

T = TypeVar("T")
NOTHING = Claimed((), "", True)
_MICROSECONDS = 1_000_000


class SqliteStore:
    """One partition, in `directory`, owned by this worker (see partitions.py). Opening blocks: to be made in a thread of its own,
    with the event loop that it will serve, or inside that loop as long as nothing else goes on in it.

    `partition`: its number. `emit`: where damage is told. `on_change`: called in the loop when somebody else (a tool) has
    written. `commit_timeout`: seconds. Raises sqlite3.Error or OSError where it cannot be opened.

    A partition that was handed over has guests (ownership.py): workers that gave it up, but for what they have in hand (UNDER_WAY)
    and what their sessions still bring. A guest settles and puts, and claims nothing.
    """

    def __init__(
        self,
        directory: Path,
        partition: int,
        *,
        emit: Emit,
        on_change: Callable[[], object] = lambda: None,
        commit_timeout: float = 30.0,
        clock: Callable[[], float] = time.time,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.directory = directory
        self.partition = partition
        self._emit = emit
        self._on_change = on_change
        self._clock = clock
        self._timeout = commit_timeout
        self._loop = loop or asyncio.get_running_loop()
        self._files = ContentFiles(directory / schema.CONTENT, directory / schema.STAGING, self._left)
        self._staged = itertools.count(int(clock() * _MICROSECONDS))  # no queue ids: one given out tells that a message is coming
        self._pending: dict[Put, float] = {}
        self._guest = 0
        self._guests = ownership.guests(directory)
        self._leaving = False
        self._purged = 0
        self._watch: asyncio.TimerHandle | None = None
        connection = self._open()
        self._last_key: int = connection.execute("SELECT coalesce(max(key), 0) FROM message").fetchone()[0]
        self._committer = Committer(connection, self._files, clock, self._wake, self._changed, self._heal)
        self._committer.start()
        self._gathering = Gathering(self._loop, self._committer.submit)
        self._free, self._free_until = 0, 0.0

    def new_id(self) -> QueueId:
        """A fresh id: the time in microseconds, or the next number where that is taken."""
        self._last_key = key = max(int(self._clock() * _MICROSECONDS), self._last_key + 1)
        return QueueId(key, self.partition)

    async def put(self, message: NewMessage) -> None:
        """Store the message; durable when this returns. Its recipients are then in the caller's hands (ACTIVE), who gives
        them to the scheduler. Raises QueueUnavailable."""
        item = Put(message, self._guest, self._loop.create_future())
        self._pending[item] = self._loop.time()
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout, self._overdue)
        # An id newer than this one was given out: that message is still on its way.
        self._gathering.put(item, company=self._last_key > message.id.key)
        try:
            await item.future
        except BaseException:
            item.abandoned = True
            if item.future.done() and not item.future.cancelled() and item.future.exception() is None:
                self._gathering.run(forgetting(message.id.key))  # stored in the moment in which the caller gave up
            raise
        finally:
            self._pending.pop(item, None)

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record outcomes in the next commit; does not wait."""
        self._gathering.settle(settlements)

    def shelve(self, identity: QueueId, indexes: Iterable[int], site: str = "") -> None:
        """Let recipients of an active message wait in the store, for `site` where that is known; does not wait."""
        self._gathering.run(shelving(identity.key, indexes, site))

    @property
    def is_guest(self) -> bool:
        """Whether the partition was handed over."""
        return bool(self._guest)

    async def become_guest(self, number: int) -> None:
        """Let the partition have another owner, once this returns; the caller keeps what it has in hand, and is to have the lock of
        that guest already. Raises QueueUnavailable, and then it is the owner as before."""
        self._guest = number
        try:
            await self._run(lambda connection: keep_under_way(connection, number))
        except BaseException:
            self._guest = 0
            raise

    async def inherit(self) -> bool:
        """Look for guests that are gone: what they had in hand is due, and what they left of files is removed with the last of
        them. Returns whether there was one. To be called as the owner. Raises QueueUnavailable, OSError."""
        left = ownership.guests(self.directory) if self._guests else self._guests
        if left == self._guests:
            return False
        await self._run(lambda connection: self._inherit(connection, left))
        self._guests = left
        ownership.forget_all_but(self.directory, left)
        return True

    async def claim(self, wanted: Claim) -> Claimed:
        """Take recipients that were tried before and are due; none as a guest. Raises QueueUnavailable."""
        if self.is_guest or self._leaving:
            return NOTHING
        return self._named(await self._run(lambda connection: claim(connection, self._files, self.partition, wanted)))

    async def claim_fresh(self, wanted: Claim) -> Claimed:
        """Take messages that were never tried; none as a guest. Raises QueueUnavailable."""
        if self.is_guest or self._leaving:
            return NOTHING
        return self._named(await self._run(lambda connection: claim_fresh(connection, self._files, self.partition, wanted)))

    async def requeued(self, after: int, limit: int) -> Claimed:
        """Messages after key `after` that tools have taken out of the queue, to be taken in anew. Raises QueueUnavailable."""
        return self._named(await self._run(lambda connection: requeued(connection, self._files, self.partition, after, limit)))

    async def live(self, identity: QueueId) -> int:
        """How many recipients of the message are not done, after all that was settled before. Raises QueueUnavailable."""
        return await self._run(lambda connection: live(connection, identity.key))

    async def leave(self) -> bool:
        """Whether no recipient is left in this partition; then nothing that comes is claimed any more, for it would be in the hands
        of one who closes it. Raises QueueUnavailable."""
        self._leaving = True
        try:
            self._leaving = await self._run(_is_empty)
        except BaseException:
            self._leaving = False
            raise
        return self._leaving

    async def mark(self, identity: QueueId, flag: int) -> None:
        """Set a flag of the message (transaction.WARNED, EXPIRE). Raises QueueUnavailable."""
        await self._run(lambda connection: mark(connection, identity.key, flag))

    async def hold(self, identity: QueueId, why: str) -> None:
        """Put all that is left of a message on hold. Raises QueueUnavailable."""
        await self._run(lambda connection: hold_damaged(connection, DamagedMessage(identity.key, why)))

    async def hasten(self) -> None:
        """Make everything that waits due now. Raises QueueUnavailable."""
        after: int | None = 0
        while after is not None:
            after = await self._run(functools.partial(hasten, after=after))

    async def signals(self) -> dict[str, int]:
        """How often tools have asked for something by name (`flush`). Raises QueueUnavailable."""
        return await self._run(lambda connection: dict(connection.execute("SELECT name, count FROM signal").fetchall()))

    async def purge(self, before: float, limit: int) -> None:
        """Look at the next `limit` messages that arrived before that time (seconds since 1970) and forget those that are done;
        to be called again and again. Raises QueueUnavailable."""
        after = self._purged
        self._purged = await self._run(lambda connection: purge(connection, before, after, limit))

    def staging(self) -> Path:
        """A fresh path in this partition's file system: a content written there is moved, not copied, by `put`."""
        return self._files.staging / f"{os.getpid()}-{next(self._staged)}"

    def free_space(self) -> int:
        """Octets free for the unprivileged in the file system of the queue (`queue_minfree`), as of a second ago at most: every
        message asks. Raises OSError."""
        now = self._loop.time()
        if now >= self._free_until:
            status = os.statvfs(self.directory)
            self._free, self._free_until = status.f_bavail * status.f_frsize, now + 1.0
        return self._free

    def hand_over(self) -> None:
        """Give the committer all that has gathered; nothing more is to come. In the loop."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        while self._gathering.flush():
            continue

    def close(self) -> None:
        """Commit what is pending and close; in any thread after `hand_over`, else in the loop. Blocks for a commit."""
        self.hand_over()
        self._committer.stop()

    def _open(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = None
        try:
            connection = schema.connect(self.directory)
            self._take_over(connection)
        except sqlite3.DatabaseError as error:
            if connection is not None:
                connection.close()  # or its lock would keep us out of our own partition
            if isinstance(error, sqlite3.OperationalError):
                raise
            connection = heal(self.directory, error, self._emit_in_loop)
            self._take_over(connection)
        steps.prepare(connection)
        return connection

    def _take_over(self, connection: sqlite3.Connection) -> None:
        """Let go of what an earlier worker had in its hands. Raises sqlite3.DatabaseError where damage shows."""
        connection.execute("SELECT max(key) FROM message").fetchone()
        connection.execute("BEGIN IMMEDIATE")
        let_go_active(connection)
        let_go_under_way(connection, self._guests)
        connection.execute("COMMIT")
        ownership.forget_all_but(self.directory, self._guests)
        if not self._guests:  # a file of theirs may be about to become a message
            self._clear_files(connection)

    def _inherit(self, connection: sqlite3.Connection, left: Collection[int]) -> None:
        let_go_under_way(connection, left)
        if not left:
            self._files.look()
            self._clear_files(connection)

    def _clear_files(self, connection: sqlite3.Connection) -> None:
        self._files.clear_staging()
        self._files.remove([key for key in self._files.all() if not live(connection, key)])

    async def _run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        job = Job(function, self._loop.create_future())
        self._gathering.run(job)
        try:
            async with asyncio.timeout(self._timeout):
                result: T = await job.future
        except TimeoutError:
            raise QueueUnavailable("commit timed out") from None
        return result

    def _named(self, claimed: Claimed) -> Claimed:
        for damage in claimed.damaged:
            text = f"{damage.what}: put on hold, not delivered"
            self._emit(Note("qmgr", text, severity="error", queue_id=str(QueueId(damage.key, self.partition))))
        return claimed

    # Called in any thread:

    def _wake(self, batch: Batch) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._resolve, batch)

    def _changed(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._on_change)

    def _heal(self, connection: sqlite3.Connection, error: Exception) -> sqlite3.Connection:
        if self.is_guest:  # the owner heals it
            raise sqlite3.DatabaseError(f"damaged, and no longer ours: {error}")
        connection.close()
        sound = heal(self.directory, error, self._emit_in_loop)
        steps.prepare(sound)
        return sound

    def _left(self, error: OSError) -> None:
        self._emit_in_loop(Note("qmgr", f"queue file {error.filename} not removed: {error.strerror}", "warning"))

    def _emit_in_loop(self, event: Event) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._emit, event)

    # Called in the loop:

    def _resolve(self, batch: Batch) -> None:
        self._gathering.committed()
        for put in batch.puts:
            if not put.future.done():
                _finish(put.future, None, put.error)
            elif put.error is None:  # Stored after its sender was told to come again.
                self._gathering.run(forgetting(put.message.id.key))
        for job in batch.jobs:
            if job.future is not None and not job.future.done():
                _finish(job.future, job.result, job.error)

    def _overdue(self) -> None:
        """Fail what has waited too long; look again when the oldest that remains would have."""
        self._watch = None
        now = self._loop.time()
        for item, since in list(self._pending.items()):
            if now - since < self._timeout:
                self._watch = self._loop.call_later(since + self._timeout - now, self._overdue)
                break
            item.abandoned = True
            if not item.future.done():
                item.future.set_exception(QueueUnavailable("commit timed out"))


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM recipient LIMIT 1").fetchone() is None


def _finish(future: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
