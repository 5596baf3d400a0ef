"""The committer: one plain thread per partition that writes everything pending in one transaction (group commit).

Whatever arrives while a commit is on its way to the disk goes together into the next: one `fdatasync` for many messages.
After each commit the event loop is woken once for all of them.

Failure: a commit that fails is rolled back as a whole. Its puts and jobs are told so; its settlements are kept and go into
the next one, since an outcome that was reported must not be lost. A database that is damaged is handed to `heal`.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from gatepost.queue.contents import ContentFiles
from gatepost.queue.port import NewMessage, QueueUnavailable, Settlement
from gatepost.queue.transaction import forget, put, settle, shelve

IDLE = 1.0
"""Seconds between looks for what others have written to the database."""

LINGER = 0.005
"""Seconds that settlements wait for company; a crash meanwhile delivers those messages a second time."""

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Put:
    """A message to store. `abandoned`: nobody waits any more, so that it must not stay. `error`: how it failed, if it did."""

    __slots__ = ("abandoned", "error", "future", "message")

    def __init__(self, message: NewMessage, future: Any) -> None:
        self.message = message
        self.future = future
        self.abandoned = False
        self.error: Exception | None = None


class Job:
    """A function to run in the transaction, on its connection; `result` or `error` afterwards."""

    __slots__ = ("error", "function", "future", "result")

    def __init__(self, function: Callable[[sqlite3.Connection], Any], future: Any) -> None:
        self.function = function
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None


Work = Put | Job | Sequence[Settlement]


class Committer(threading.Thread):
    """Owns a partition's connection. `wake(puts, jobs)` is called in this thread after each commit; `changed()` when somebody
    else has written; `heal(error)` must return a sound connection for a damaged one, or raise sqlite3.Error or OSError;
    `clock` gives seconds since 1970."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        files: ContentFiles,
        clock: Callable[[], float],
        wake: Callable[[list[Put], list[Job]], object],
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
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._kept: list[Settlement] = []
        self._version = self._data_version()
        self._looked = 0.0
        self.submit = self._queue.put

    def stop(self) -> None:
        """Commit what is pending, close, and wait for the thread."""
        self._queue.put(None)
        self.join()

    def run(self) -> None:
        running = True
        while running:
            work = self._gather()
            running = None not in work
            self._commit([item for item in work if item is not None])
            self._look()
        if self._kept:
            self._commit([])
        self._connection.close()

    def _gather(self) -> list[Work | None]:
        """Everything pending. Nobody waits for settlements: alone, they linger for a put to go with."""
        work: list[Work | None] = []
        urgent = False
        try:
            work.append(item := self._queue.get(timeout=IDLE))
            urgent = not isinstance(item, Sequence)
            until = time.monotonic() + LINGER
            while True:
                left = until - time.monotonic()
                item = self._queue.get_nowait() if urgent or left <= 0 else self._queue.get(timeout=left)
                work.append(item)
                urgent = urgent or not isinstance(item, Sequence)
        except Empty:
            return work

    def _commit(self, work: list[Work]) -> None:
        settlements, self._kept = self._kept, []
        puts: list[Put] = []
        jobs: list[Job] = []
        for item in work:
            if isinstance(item, Put):
                puts.append(item)
            elif isinstance(item, Job):
                jobs.append(item)
            else:
                settlements.extend(item)
        if not (puts or jobs or settlements):
            return
        try:
            self._transact(puts, jobs, settlements)
        except Exception as error:  # not even a fault of ours may end this thread: nothing would be stored any more
            self._failed(error, puts, jobs, settlements)
        if puts or jobs:
            self._wake(puts, jobs)

    def _transact(self, puts: list[Put], jobs: list[Job], settlements: list[Settlement]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            wanted = [item.message for item in puts if not item.abandoned]
            if wanted:
                put(connection, self._files, wanted)
            unneeded = settle(connection, self._files, settlements, self._clock()) if settlements else []
            for job in jobs:
                job.result = job.function(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._files.remove(unneeded)

    def _failed(self, error: Exception, puts: list[Put], jobs: list[Job], settlements: list[Settlement]) -> None:
        self._kept = settlements
        refusal = QueueUnavailable(str(error))
        waiting: list[Put | Job] = [*puts, *jobs]
        for item in waiting:
            item.error = refusal
        if isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            try:
                self._connection = self._heal(self._connection, error)
            except (sqlite3.Error, OSError):
                time.sleep(IDLE)
        elif not puts:
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


def shelving(key: int, site: str) -> Job:
    """A job that lets an active message wait in the store."""
    return Job(lambda connection: shelve(connection, key, site), None)


def forgetting(key: int) -> Job:
    """A job that undoes a put."""
    return Job(lambda connection: forget(connection, key), None)
