"""The thread that writes to the store, one for each worker that uses it: many changes are one transaction.

While one is on its way the next gathers in the event loop (sqlite_store.py). Each waits for its turn (writer_lock.py) here, where
the loop does not notice.

- What a space may lose in a second is synced within a second of its commit.
- A damaged file is set aside under another name, with a word in the log, and the store goes on empty.
- A file of a newer Gatepost is left alone, and nothing is stored.
- What cannot be written fails with the reason; the next try opens the file anew where it was not open. A fault of ours fails the
  changes that met it and no others.
"""

import contextlib
import sqlite3
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from msgspec import Struct

from gatepost.state import state_file
from gatepost.state.changes import Change, Changing
from gatepost.state.port import MayLose, StateUnavailable
from gatepost.state.state_file import NO_FILE, FileIdentity, Opened
from gatepost.state.writer_lock import WriterLock, writer_lock

SECOND: Final = 1.0
PATIENCE: Final = 4.0
"""Seconds to wait for the turn: more than the supervisor needs to find out who is stopped."""

_MOST_FAULTS: Final = 20  # of ours, that are told


class Damage(Struct, frozen=True):
    """What was found to be wrong with a file."""

    error: Exception
    identity: FileIdentity


class BatchDone(Struct, frozen=True):
    """What became of the changes that were submitted together.

    - `changes`: none of them for the answer to `reopen`;
    - `error`: why none was made, None where all were;
    - `reader`: a new connection to read by, where the file is another one now.
    """

    changes: Sequence[Change]
    error: StateUnavailable | None
    reader: Opened | None


class Writer(threading.Thread):
    """`done(batch)` and `warn(text)` are called in this thread; `clock`: seconds since 1970; `patience`: seconds to wait for the
    turn; `size_limit`: octets of the file, 0 for any."""

    def __init__(
        self,
        folder: Path,
        *,
        size_limit: int,
        clock: Callable[[], float],
        done: Callable[[BatchDone], object],
        warn: Callable[[str], object],
        patience: float = PATIENCE,
    ) -> None:
        super().__init__(name="gatepost-state", daemon=True)
        self._folder = folder
        self._size_limit = size_limit
        self._clock = clock
        self._done = done
        self._warn = warn
        self._patience = patience
        self._queue: SimpleQueue[Sequence[Change] | None] = SimpleQueue()
        self._lock: WriterLock | None = None
        self._connection: Changing | None = None
        self._identity = NO_FILE
        self._reader: Opened | None = None
        """To be handed over with the next batch."""
        self._damage: Damage | None = None
        self._unsynced: float | None = None
        """Since when (monotonic clock) there is what a power cut would take."""
        self._faults: set[str] = set()
        """Of ours, which were told."""
        self.submit = self._queue.put

    def reopen(self, damage: Damage | None = None) -> None:
        """Open the file for a reader, who has perhaps found it damaged. The answer is that to a batch of no changes."""
        self._damage = self._damage or damage
        self._queue.put(())

    def stop(self) -> None:
        """Make what was submitted, and end. Waits for it, twice the patience at most."""
        self._queue.put(None)
        self.join(self._patience * 2)

    def run(self) -> None:
        try:
            while self._serve():
                pass
        finally:
            self._leave()

    def _serve(self) -> bool:
        """One batch, or the sync that is due; False at the end."""
        try:
            changes = self._queue.get(timeout=self._time_left())
        except Empty:
            self._sync()
            return True
        if changes is None:
            return False
        error: StateUnavailable | None = self._refused("the thread that writes has ended")
        try:
            error = self._attempt(changes)
        finally:
            reader, self._reader = self._reader, None
            self._done(BatchDone(changes, error, reader))
        return True

    def _leave(self) -> None:
        if self._unsynced is not None:
            self._sync()
        if self._lock is None:
            return
        taken = False
        with contextlib.suppress(StateUnavailable, OSError):
            self._lock.take(self._patience)  # whoever closes the file last puts it in order
            taken = True
        self._close()
        if taken:
            self._lock.give()
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
            except Exception as fault:
                return self._refused(self._fault(fault))
            else:
                return None
        return self._refused("damaged again and again")

    def _in_turn(self, changes: Sequence[Change], may_lose: MayLose = MayLose.LAST_SECOND) -> None:
        if self._lock is None:
            self._lock = writer_lock(self._folder)
        self._lock.take(self._patience)
        try:
            connection = self._opened()
            if not changes and self._reader is None:
                self._reader = state_file.open_reading(self._folder)
            if changes or may_lose is MayLose.NOTHING:
                if self._time_left() == 0.0 or any(change.may_lose is MayLose.NOTHING for change in changes):
                    may_lose = MayLose.NOTHING
                connection.commit(changes, self._clock(), may_lose)
                self._unsynced = None if may_lose is MayLose.NOTHING else self._unsynced or time.monotonic()
        finally:
            self._lock.give()

    def _opened(self) -> Changing:
        """A connection to the file that is there now, with the lock held: whoever finds it damaged first sets it aside for all."""
        there = state_file.identity(self._folder)
        if self._damage is not None and there == self._damage.identity:
            self._set_aside(self._damage.error)
            there = NO_FILE
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
        opened = state_file.open_writing(self._folder, self._size_limit)
        self._connection, self._identity = Changing(opened.connection), opened.identity
        self._reader = state_file.open_reading(self._folder)

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
        except Exception as fault:
            self._fault(fault)
        self._unsynced = None

    def _fault(self, fault: Exception) -> str:
        """An exception that nobody has thought of: its words. It is told once, and the file opened anew: what became of the
        connection, nobody knows."""
        self._close()
        words = f"a fault in Gatepost: {fault!r}"
        if words not in self._faults and len(self._faults) < _MOST_FAULTS:
            self._faults.add(words)
            place = traceback.extract_tb(fault.__traceback__)[-1]
            self._warn(f"{self._folder / state_file.NAME}: {words} ({place.filename}:{place.lineno}): changes were not made")
        return words

    def _refused(self, reason: str) -> StateUnavailable:
        return StateUnavailable(f"{self._folder / state_file.NAME}: {reason}")

    def _close(self) -> None:
        connection, reader = self._connection, self._reader
        self._connection = self._reader = None
        for one in (connection, reader.connection if reader is not None else None):
            if one is not None:
                with contextlib.suppress(sqlite3.Error):
                    one.close()


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
