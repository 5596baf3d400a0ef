"""The thread that writes to the store, one for each worker that uses it: many changes are one transaction.

While one is on its way the next gathers in the event loop (sqlite_store.py). Each waits for its turn (writer_lock.py) here, where
the loop does not notice.

- What a space may lose in a second is synced within a second of its commit.
- A damaged file is set aside under another name, with a word in the log, and the store goes on empty.
- What cannot be written fails with the reason; the next try opens the file anew where it was not open.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from msgspec import Struct

from gatepost.state import state_file
from gatepost.state.changes import Change, Changing
from gatepost.state.port import MayLose, StateUnavailable
from gatepost.state.writer_lock import WriterLock

SECOND: Final = 1.0
PATIENCE: Final = 4.0
"""Seconds to wait for the turn: more than the supervisor needs to find out who is stopped."""


class Damage(Struct, frozen=True):
    """What was found to be wrong with the file of that identity (state_file.identity)."""

    error: Exception
    identity: int


class Told(Struct, frozen=True):
    """What became of a batch. `reader`: a new connection to read by, where the file is another one now."""

    changes: Sequence[Change]
    error: StateUnavailable | None
    reader: sqlite3.Connection | None


class Writer(threading.Thread):
    """`tell(told)` and `warn(text)` are called in this thread; `clock`: seconds since 1970."""

    def __init__(
        self,
        folder: Path,
        *,
        size_limit: int,
        clock: Callable[[], float],
        tell: Callable[[Told], object],
        warn: Callable[[str], object],
        patience: float = PATIENCE,
    ) -> None:
        super().__init__(name="gatepost-state", daemon=True)
        self._folder = folder
        self._size_limit = size_limit
        self._clock = clock
        self._tell = tell
        self._warn = warn
        self._patience = patience
        self._queue: SimpleQueue[Sequence[Change] | None] = SimpleQueue()
        self._lock: WriterLock | None = None
        self._connection: Changing | None = None
        self._reader: sqlite3.Connection | None = None
        self._identity = 0
        self._damage: Damage | None = None
        self._unsynced: float | None = None
        """Since when (monotonic clock) there is what a power cut would take."""
        self.submit = self._queue.put

    def look(self, damage: Damage | None = None) -> None:
        """Open the file, or look at it again: a reader has found it damaged. The answer is that to a batch of nothing."""
        self._damage = self._damage or damage
        self._queue.put(())

    def stop(self) -> None:
        """Make what was submitted, and end. Waits for it."""
        self._queue.put(None)
        self.join(self._patience * 2)

    def run(self) -> None:
        while True:
            try:
                changes = self._queue.get(timeout=self._time_left())
            except Empty:
                self._sync()
                continue
            if changes is None:
                break
            error = self._attempt(changes)
            reader, self._reader = self._reader, None
            self._tell(Told(changes, error, reader))
        if self._unsynced is not None:
            self._sync()
        with contextlib.suppress(StateUnavailable):
            if self._lock is not None:
                self._lock.take(self._patience)
        self._close()
        if self._lock is not None:
            self._lock.close()

    def _time_left(self) -> float | None:
        """Seconds until what is committed must be synced."""
        return None if self._unsynced is None else max(self._unsynced + SECOND - time.monotonic(), 0.0)

    def _attempt(self, changes: Sequence[Change]) -> StateUnavailable | None:
        """Make the changes; a second time where the first showed that the file is damaged."""
        for _ in range(2):
            try:
                self._in_turn(changes)
            except StateUnavailable as refusal:
                return self._refused(str(refusal))
            except (sqlite3.Error, OSError) as error:
                if not isinstance(error, sqlite3.Error) or not state_file.is_damage(error):
                    return self._refused(_reason(error))
                self._damage = Damage(error, self._identity)
            else:
                return None
        return self._refused("damaged again and again")

    def _in_turn(self, changes: Sequence[Change], lose: MayLose = MayLose.LAST_SECOND) -> None:
        if self._lock is None:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._lock = WriterLock(self._folder)
        self._lock.take(self._patience)
        try:
            connection = self._opened()
            if not changes and self._reader is None:
                self._reader = state_file.open_reading(self._folder)
            if changes or lose is MayLose.NOTHING:
                if self._time_left() == 0.0 or any(change.lose is MayLose.NOTHING for change in changes):
                    lose = MayLose.NOTHING
                connection.commit(changes, self._clock(), lose)
                self._unsynced = None if lose is MayLose.NOTHING else self._unsynced or time.monotonic()
        finally:
            self._lock.give()

    def _opened(self) -> Changing:
        """A connection to the file that is there now, with the lock held: whoever finds it damaged first sets it aside for all."""
        there = state_file.identity(self._folder)
        if self._damage is not None and there == self._damage.identity:
            self._set_aside(self._damage.error)
            there = 0
        self._damage = None
        if self._connection is None or there != self._identity:
            self._close()
            try:
                self._open()
            except sqlite3.Error as error:
                if not state_file.is_damage(error):
                    raise
                self._set_aside(error)
                self._open()
        assert self._connection is not None
        return self._connection

    def _open(self) -> None:
        self._connection = Changing(state_file.open_writing(self._folder, self._size_limit))
        self._reader = state_file.open_reading(self._folder)
        self._identity = state_file.identity(self._folder)

    def _set_aside(self, error: Exception) -> None:
        self._close()
        aside = state_file.set_aside(self._folder)
        self._warn(f"{self._folder / state_file.NAME} is damaged ({error}): moved to {aside}, going on with an empty one")

    def _sync(self) -> None:
        """A commit of nothing that is synced, and with it all before."""
        try:
            self._in_turn((), MayLose.NOTHING)
        except (StateUnavailable, sqlite3.Error, OSError) as error:
            self._warn(f"{self._folder / state_file.NAME}: cannot be synced: {_reason(error)}")
        self._unsynced = None

    def _refused(self, reason: str) -> StateUnavailable:
        return StateUnavailable(f"{self._folder / state_file.NAME}: {reason}")

    def _close(self) -> None:
        for connection in (self._connection, self._reader):
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    connection.close()
        self._connection = self._reader = None


def _reason(error: Exception | str) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
