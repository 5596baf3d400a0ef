"""The committer: one plain thread per partition that writes what it is given in one transaction (group commit).

One batch is on its way to the disk while the next gathers in the event loop (gathering.py): one `fdatasync` for many messages,
and the loop is woken once for all of them.

Failure: a commit that fails is rolled back as a whole. Its puts and jobs are told so; its settlements are kept and go into
the next one, since an outcome that was reported must not be lost. A database that is damaged is handed to `heal`.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from gatepost.mail.submission import QueueUnavailable, Unstorable
from gatepost.queue import steps
from gatepost.queue.contents import ContentFiles
from gatepost.queue.port import NewMessage, Settlement
from gatepost.queue.transaction import forget, put, shelve, unneeded_files

IDLE = 1.0
"""Seconds between looks for what others have written to the database."""

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Put:
    """A message to store. `guest`: the caller's number, 0 for an owner (ownership.py). `abandoned`: nobody waits any more, so that
    it must not stay. `error`: how it failed, if it did."""

    __slots__ = ("abandoned", "error", "future", "guest", "message")

    def __init__(self, message: NewMessage, guest: int, future: Any) -> None:
        self.message = message
        self.guest = guest
        self.future = future
        self.abandoned = False
        self.error: Exception | None = None


class Job:
    """A function to run in the transaction, on its connection; `result` or `error` afterwards. `key`: of a message that it takes
    out of the store, 0: of none."""

    __slots__ = ("error", "function", "future", "key", "result")

    def __init__(self, function: Callable[[sqlite3.Connection], Any], future: Any, key: int = 0) -> None:
        self.function = function
        self.key = key
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None


class Batch:
    """What goes into one transaction: puts, then settlements, then jobs, each in their order."""

    __slots__ = ("jobs", "puts", "settlements")

    def __init__(self) -> None:
        self.puts: list[Put] = []
        self.jobs: list[Job] = []
        self.settlements: list[Settlement] = []


class Committer(threading.Thread):
    """Owns a partition's connection. `wake(batch)` is called in this thread after each commit; `changed()` when somebody else
    has written; `heal(error)` must return a sound connection for a damaged one, or raise sqlite3.Error or OSError; `clock`
    gives seconds since 1970."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        files: ContentFiles,
        clock: Callable[[], float],
        wake: Callable[[Batch], object],
        changed: Callable[[], object],
        heal: Callable[[sqlite3.Connection, Exception], sqlite3.Connection],
    ) -> None:
        super().__init__(name="gatepost-commit", daemon=True)
        self._connection = connection
        self._files = files
        self._clock = clock
        self._wake = wake
        self._changed = changed
        self._heal = heal
        self._queue: SimpleQueue[Batch | None] = SimpleQueue()
        self._kept: list[Settlement] = []
        self._version = self._data_version()
        self._looked = 0.0
        self._sound = True
        self.submit = self._queue.put

    def stop(self) -> None:
        """Commit what was submitted, close, and wait for the thread."""
        self._queue.put(None)
        self.join()

    def run(self) -> None:
        while True:
            try:
                batch = self._queue.get(timeout=IDLE)
            except Empty:
                if self._kept:
                    self._commit(Batch())
            else:
                if batch is None:
                    break
                self._commit(batch)
                self._wake(batch)
            self._look()
        if self._kept:
            self._commit(Batch())
        self._connection.close()

    def _commit(self, batch: Batch) -> None:
        settlements, self._kept = self._kept + batch.settlements, []
        try:
            self._transact(batch, settlements)
        except Exception as error:  # not even a fault of ours may end this thread: nothing would be stored any more
            self._failed(error, batch, settlements)
            touched = {item.message.id.key for item in batch.puts}  # else every try would fill the disk a little more
        else:
            touched = {settlement.id.key for settlement in settlements} | {job.key for job in batch.jobs if job.key}
        with contextlib.suppress(sqlite3.Error, OSError):  # What stays is an orphan, which the next owner removes.
            self._files.remove(unneeded_files(self._connection, self._files, touched))
        for item in batch.puts:
            if item.abandoned or item.error is not None:
                self._files.drop(item.message.content)

    def _transact(self, batch: Batch, settlements: list[Settlement]) -> None:
        work = self._stored(batch.puts) if batch.puts else []
        if settlements:
            now = self._clock()
            work += [steps.settle(settlement, now) for settlement in settlements]
        portions = steps.portions(work)
        if len(portions) == 1 and not batch.jobs:
            steps.run(self._connection, portions[0])  # one statement is a transaction of its own
        elif portions or batch.jobs:
            self._transact_all(portions, batch.jobs)

    def _stored(self, puts: Sequence[Put]) -> list[steps.Step]:
        """The steps of all puts; a message that cannot be written down fails alone. Raises OSError, which is for all of them."""
        work: list[steps.Step] = []
        filed = False
        for item in puts:
            if item.abandoned:
                continue
            try:
                stored, is_file = put(self._files, item.message, item.guest)
            except OSError:
                raise
            except Exception as error:
                item.error = Unstorable(f"{type(error).__name__}: {error}")
            else:
                work += stored
                filed = filed or is_file
        if filed:
            self._files.sync()
        return work

    def _transact_all(self, portions: Sequence[Sequence[steps.Step]], jobs: Sequence[Job]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for portion in portions:
                steps.run(connection, portion)
            for job in jobs:
                job.result = job.function(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _failed(self, error: Exception, batch: Batch, settlements: list[Settlement]) -> None:
        self._kept = settlements
        refusal = QueueUnavailable(str(error))
        waiting: list[Put | Job] = [*batch.puts, *batch.jobs]
        for item in waiting:
            item.error = refusal
        if not self._sound or _is_damage(error):
            self._sound = False  # until it is healed: there is no connection meanwhile
            try:
                self._connection = self._heal(self._connection, error)
                self._sound = True
            except (sqlite3.Error, OSError):
                time.sleep(IDLE)
        elif not batch.puts:
            time.sleep(IDLE / 10)  # Settlements alone come again at once: do not spin on a full disk.

    def _look(self) -> None:
        """Once in a while: the question costs as much as a small commit."""
        now = time.monotonic()
        if now - self._looked < IDLE:
            return
        self._looked = now
        version = self._data_version()
        if version != self._version:
            self._version = version
            self._changed()

    def _data_version(self) -> int:
        try:
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            return -1
        return version


def _is_damage(error: Exception) -> bool:
    return isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def shelving(key: int, numbers: Iterable[int], site: str) -> Job:
    """A job that lets recipients of an active message wait in the store."""
    return Job(lambda connection: shelve(connection, key, numbers, site), None)


def forgetting(key: int) -> Job:
    """A job that undoes a put."""
    return Job(lambda connection: forget(connection, key), None, key)
