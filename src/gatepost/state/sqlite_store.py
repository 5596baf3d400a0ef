"""The StateStore (state.port) of one machine, in SQLite: what the event loop sees of it (decision 0021).

Reads are made in the loop, from this process's view of the file, and wait for nobody. Changes gather for the thread of writer.py;
all that come while it is busy go together. Nothing is opened before the first use.

Failure: StateUnavailable, within TIME_LIMIT, with one line in the log a minute.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from gatepost.state import state_file
from gatepost.state.changes import MOST_AT_ONCE, Change
from gatepost.state.port import NEVER, Entry, Space, StateUnavailable, check
from gatepost.state.state_file import NO_FILE, Opened, end_of, entry_of, own_key, stored_key
from gatepost.state.writer import PATIENCE, BatchDone, Damage, Writer

TIME_LIMIT: Final = 8.0
"""Seconds that a change, or the opening of the file, may take."""

_MOST_WAITING: Final = 10_000  # changes that wait for the thread
_LINGER: Final = 0.003  # seconds to wait for company: a transaction costs as much as five changes
_WARNING_PAUSE: Final = 60.0  # seconds
_RETRY_PAUSE: Final = 1.0  # seconds after which a file that could not be opened is tried again
_LOOK_PAUSE: Final = 1.0  # seconds between two looks whether the file is still the same
_BUSY_READS, _BUSY_PAUSE = 100, 0.01  # reads, and seconds between them, while somebody puts the log in order (SQLITE_BUSY)
_DAMAGES: Final = 3  # files in a row that are set aside for one read
_PIECE: Final = 256  # keys that are read at a time

_GET = "SELECT value, revision, expires FROM entry WHERE key = ? AND expires > ?"
_LIST = "SELECT key, value, revision, expires FROM entry WHERE key >= ? AND key < ? ORDER BY key LIMIT ?"


class SqliteStateStore:
    """The store in `folder`, for one process with a running event loop.

    - `clock`: seconds since 1970;
    - `warn`: called in the loop;
    - `size_limit`: octets of the file, 0 for any; what goes beyond is not stored;
    - `patience`: seconds to wait for other writers;
    - `time_limit`: seconds that a change, or the opening of the file, may take.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], float],
        warn: Callable[[str], object],
        size_limit: int = 0,
        patience: float = PATIENCE,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        self._folder = folder
        self._file = folder / state_file.NAME
        self._clock = clock
        self._warn = warn
        self._size_limit = size_limit
        self._patience = patience
        self._time_limit = time_limit
        self._loop = asyncio.get_running_loop()
        self._writer: Writer | None = None
        self._reader: sqlite3.Connection | None = None
        self._gathered: list[Change] = []
        self._underway: Sequence[Change] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._opening: asyncio.Task[None] | None = None
        self._reopening: asyncio.Future[None] | None = None
        self._refusal: tuple[float, StateUnavailable] | None = None
        self._warned: float | None = None
        self._look_at = 0.0
        self._identity = NO_FILE
        self._unreadable_told = NO_FILE
        self._closed = False

    async def get(self, space: Space, key: bytes) -> Entry | None:
        rows = await self._read(_GET, (stored_key(space, key), self._clock()))
        return self._entry(key, rows[0]) if rows else None

    async def put(self, space: Space, key: bytes, value: bytes, expires: float = NEVER) -> int:
        expires = check(value, expires)
        return int(await self._change(space, key, value, None, expires))

    async def compare_and_set(self, space: Space, key: bytes, value: bytes, revision: int, expires: float = NEVER) -> int | None:
        expires = check(value, expires)
        result: int | None = await self._change(space, key, value, revision, expires)
        return result

    async def delete(self, space: Space, key: bytes, revision: int | None = None) -> bool:
        return bool(await self._change(space, key, None, revision, NEVER))

    async def iterate(self, space: Space, prefix: bytes = b"") -> AsyncIterator[tuple[bytes, Entry]]:
        first = stored_key(space, prefix)
        end = end_of(first)
        while True:
            rows = await self._read(_LIST, (first, end, _PIECE))
            for key, *columns in rows:
                entry = self._entry(own_key(key), columns)
                if entry is not None and entry.expires > self._clock():
                    yield own_key(key), entry
            if len(rows) < _PIECE:
                return
            first = rows[-1][0] + b"\0"
            await asyncio.sleep(0)

    async def close(self) -> None:
        if self._closed:
            return
        waiting = [*(self._underway or ()), *self._gathered]
        with contextlib.suppress(StateUnavailable):
            while self._gathered:
                self._thread().submit(self._taken())
        self._closed = True
        for timer in (self._timer, self._limit):
            if timer is not None:
                timer.cancel()
        if self._reader is not None:  # before the writer, who leaves the file in order
            self._reader.close()
            self._reader = None
        if self._writer is not None:
            await asyncio.to_thread(self._writer.stop)
        for future in (self._reopening, *(change.future for change in waiting)):
            if future is not None:
                _settle(future, None, StateUnavailable(f"{self._file}: closed, and nothing came of it"))

    def _entry(self, key: bytes, columns: Sequence[object]) -> Entry | None:
        """What a row holds. One that cannot be read counts as absent, and others are as they were; that is told once a file."""
        entry = entry_of(*columns)
        if entry is None and self._unreadable_told != self._identity:
            self._unreadable_told = self._identity
            self._warn(f"{self._file}: a row that cannot be read counts as absent, as will others like it: key {key[:100]!r}")
        return entry

    async def _read(self, statement: str, values: tuple[object, ...]) -> list[Any]:
        """The rows of a question. A file that is found damaged is set aside first, and then there are none."""
        busy = damaged = 0
        while True:
            while (reader := self._current()) is None:
                await self._open()
            try:
                return reader.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                if state_file.is_busy(error):
                    busy += 1
                    if busy < _BUSY_READS:
                        await asyncio.sleep(_BUSY_PAUSE)
                        continue
                    raise self._refused(f"others have kept it locked for {_BUSY_READS * _BUSY_PAUSE:g} s") from error
                if not state_file.is_damage(error):
                    raise self._refused(str(error)) from error
                damaged += 1
                if damaged == _DAMAGES:
                    raise self._refused("damaged again and again") from error
                self._reader = None
                await self._open(Damage(error, self._identity))

    def _current(self) -> sqlite3.Connection | None:
        """The connection to read by; None where the file is another one by now, which is looked at once in a while."""
        if self._reader is not None and (now := self._loop.time()) >= self._look_at:
            self._look_at = now + _LOOK_PAUSE
            if state_file.identity(self._folder) != self._identity:
                self._reader.close()
                self._reader = None
        return self._reader

    async def _open(self, damage: Damage | None = None) -> None:
        """Have the file opened, or set aside."""
        self._refuse_if_closed()
        if self._refusal is not None and self._loop.time() < self._refusal[0]:
            raise self._refusal[1]
        if self._opening is None or self._opening.done():
            self._opening = self._loop.create_task(self._find(damage))
            self._opening.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps nobody waits any more
        try:
            await asyncio.wait_for(asyncio.shield(self._opening), self._time_limit)
        except TimeoutError:
            late = self._late()
            if self._reopening is not None and not self._thread_lives():
                _settle(self._reopening, None, late)
            raise late from None
        self._refuse_if_closed()

    async def _find(self, damage: Damage | None) -> None:
        """A connection to read by. A file that is there needs no turn to be opened; else the writer makes it, or sets it aside."""
        if damage is None and (opened := await asyncio.to_thread(_opened_to_read, self._folder)) is not None:
            self._read_by(opened)
            return
        self._reopening = self._loop.create_future()
        self._thread().reopen(damage)
        await self._reopening

    def _read_by(self, opened: Opened) -> None:
        """From now on by this connection."""
        if self._closed:
            opened.connection.close()
            return
        if self._reader is not None:
            self._reader.close()
        self._reader, self._identity = opened.connection, opened.identity

    async def _change(self, space: Space, key: bytes, value: bytes | None, revision: int | None, expires: float) -> Any:
        self._refuse_if_closed()
        if len(self._gathered) >= _MOST_WAITING:
            raise self._refused("too many changes wait")
        change = Change(stored_key(space, key), value, revision, expires, space.may_lose, self._loop.create_future())
        self._gathered.append(change)
        if self._underway is None and self._timer is None:
            self._timer = self._loop.call_later(_LINGER, self._submit)
        return await change.future

    def _submit(self) -> None:
        self._timer = None
        if self._underway is None and self._gathered and not self._closed:
            self._underway = self._taken()
            self._limit = self._loop.call_later(self._time_limit, self._overdue)
            try:
                self._thread().submit(self._underway)
            except StateUnavailable as error:
                self._batch_done(BatchDone(self._underway, error, None))

    def _taken(self) -> list[Change]:
        taken, self._gathered = self._gathered[:MOST_AT_ONCE], self._gathered[MOST_AT_ONCE:]
        return taken

    def _thread(self) -> Writer:
        """The thread that writes; a new one in the place of one that has died. Raises StateUnavailable."""
        self._refuse_if_closed()
        if self._writer is None or not self._thread_lives():
            writer = Writer(
                self._folder,
                size_limit=self._size_limit,
                clock=self._clock,
                done=lambda batch: self._in_loop(self._batch_done, batch),
                warn=lambda text: self._in_loop(self._warn, text),
                patience=self._patience,
            )
            try:
                writer.start()
            except RuntimeError as error:  # there are too many threads, or there is no memory for another
                raise self._refused(str(error)) from error
            self._writer = writer
        return self._writer

    def _thread_lives(self) -> bool:
        return self._writer is not None and self._writer.is_alive()

    def _in_loop(self, call: Callable[[Any], object], value: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(call, value)

    def _batch_done(self, batch: BatchDone) -> None:
        if batch.reader is not None:
            self._read_by(batch.reader)
        if batch.error is not None:
            self._refusal = (self._loop.time() + _RETRY_PAUSE, batch.error)
            self._tell(batch.error)
        if not batch.changes and self._reopening is not None:
            _settle(self._reopening, None, batch.error)
        for change in batch.changes:
            _settle(change.future, change.result, batch.error)
        if batch.changes:
            self._underway = None
            if self._limit is not None:
                self._limit.cancel()
            if self._timer is None:
                self._submit()

    def _overdue(self) -> None:
        """The thread hangs, or has died: nobody is to wait for it any more."""
        late = self._late()
        for change in (*(self._underway or ()), *self._gathered):
            _settle(change.future, None, late)
        self._gathered.clear()
        if self._thread_lives():
            self._limit = self._loop.call_later(self._time_limit, self._overdue)
        else:
            self._underway = None

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StateUnavailable(f"{self._file}: closed")

    def _late(self) -> StateUnavailable:
        return self._refused(f"nothing came of it within {self._time_limit:g} s")

    def _refused(self, reason: str) -> StateUnavailable:
        return self._tell(StateUnavailable(f"{self._file}: {reason}"))

    def _tell(self, error: StateUnavailable) -> StateUnavailable:
        """Have it in the log, once in a while."""
        now = self._loop.time()
        if self._warned is None or now - self._warned >= _WARNING_PAUSE:
            self._warned = now
            self._warn(str(error))
        return error


def _opened_to_read(folder: Path) -> Opened | None:
    """The file as it is; None where there is none, or none that can be read."""
    if state_file.identity(folder) != NO_FILE:
        with contextlib.suppress(sqlite3.Error, OSError):
            return state_file.open_reading(folder)
    return None


def _settle(future: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
