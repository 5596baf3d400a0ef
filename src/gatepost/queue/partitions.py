"""The partitions of the queue: directories `store/1`, `store/2` ... of the queue directory, each owned by one worker
(ownership.py).

A worker takes the lowest free partition as its home, where its new messages go, and adopts others that nobody owns while
they hold mail: those of a worker that died, of an earlier generation after a reload, or of a machine with more cores. A worker
that a reload replaces hands its partitions over at once, and keeps what it has in hand.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from gatepost.events.notes import PartitionFailed
from gatepost.events.records import Emit, Note
from gatepost.mail.queue_id import QueueId
from gatepost.mail.submission import QueueUnavailable
from gatepost.queue import ownership, schema
from gatepost.queue.doorbell import Doorbell
from gatepost.queue.ownership import Guest
from gatepost.queue.port import Settlement
from gatepost.queue.schema import directories
from gatepost.queue.store import SqliteStore

RESCAN = 1.0
"""Seconds between looks for partitions without an owner."""
PURGE_AT_ONCE = 2000
"""Ledger entries that one look forgets at most."""


class Partitions:
    """The partitions of one worker; a Store (port.py) that puts into its home. To be made inside a running event loop.

    `on_change`: called in the loop when a tool has written to one of them. `ledger_lifetime`: seconds. Raises
    QueueUnavailable where no partition can be opened.
    """

    def __init__(
        self,
        queue_directory: Path,
        *,
        emit: Emit,
        on_change: Callable[[], object] = lambda: None,
        commit_timeout: float = 30.0,
        ledger_lifetime: float = 604_800.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = queue_directory
        self._emit = emit
        self._on_change = on_change
        self._timeout = commit_timeout
        self._lifetime = ledger_lifetime
        self._clock = clock
        self._locks: dict[int, int] = {}
        self._guest_of: dict[int, Guest] = {}
        self._stores: dict[int, SqliteStore] = {}
        self._bells: dict[int, Doorbell] = {}
        self._handing_over = False
        self._care = asyncio.Lock()
        self._home = self._take_home()
        self.new_id = self._home.new_id
        self.put = self._home.put
        self.staging = self._home.staging
        self.free_space = self._home.free_space

    @property
    def home(self) -> SqliteStore:
        return self._home

    def stores(self) -> Sequence[SqliteStore]:
        """All partitions that this worker owns at the moment, its home first."""
        return tuple(store for number, store in self._stores.items() if number in self._locks)

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record outcomes in the next commit; does not wait. All settlements of one call are of one message."""
        if settlements:
            self._of(settlements[0].id).settle(settlements)

    def shelve(self, identity: QueueId, indexes: Iterable[int], site: str = "") -> None:
        """Let recipients of an active message wait in the store; does not wait."""
        self._of(identity).shelve(identity, indexes, site)

    async def live(self, identity: QueueId) -> int:
        """How many recipients of the message are not done. Raises QueueUnavailable."""
        return await self._of(identity).live(identity)

    async def mark(self, identity: QueueId, flag: int) -> None:
        """Set a flag of the message. Raises QueueUnavailable."""
        await self._of(identity).mark(identity, flag)

    async def hasten(self) -> None:
        """Make everything that waits due now. Raises QueueUnavailable."""
        for store in self.stores():
            await store.hasten()

    async def flushes(self) -> int:
        """How often tools have asked for everything to be tried. Raises QueueUnavailable."""
        return sum([(await store.signals()).get("flush", 0) for store in self.stores()])

    async def run(self) -> None:
        """Adopt, release and tidy, until cancelled."""
        while True:
            async with self._care:
                await (self._hand_over_all() if self._handing_over else self._take_care())
            await asyncio.sleep(RESCAN)

    async def _take_care(self) -> None:
        try:
            await self.adopt()
            await self.inherit()
        except OSError as error:  # no descriptor left, say: others may have the room, or we the next time
            self._emit(Note("qmgr", f"queue partitions not looked at: {error}", severity="warning"))
        await self.release()
        await self._purge()

    async def hand_over(self) -> None:
        """Let other workers have these partitions, and adopt no more. What is in hand stays in hand, and so does what is put from
        now on. A partition for which that fails stays ours, and `run` tries again."""
        self._handing_over = True
        async with self._care:
            await self._hand_over_all()

    async def _hand_over_all(self) -> None:
        for store in self.stores():
            number = store.partition
            try:
                if number not in self._guest_of:
                    self._guest_of[number] = ownership.be_guest(store.directory)
                await store.become_guest(self._guest_of[number].number)
            except (OSError, QueueUnavailable) as error:
                self._emit(Note("qmgr", f"queue partition {number} not handed over: {error}", severity="warning"))
            else:
                self._bells.pop(number).close()
                self._unlock(number)

    async def inherit(self) -> None:
        """Take over what guests had in hand who are gone. Raises OSError."""
        for store in self.stores():
            try:
                if await store.inherit():
                    self._on_change()
            except QueueUnavailable as error:
                self._emit(PartitionFailed("qmgr", store.partition, str(error)))

    async def adopt(self) -> None:
        """Take over every partition that holds mail and has no owner."""
        for number, directory in directories(self._directory):
            if number in self._locks or not self._lock(number, directory):
                continue
            if await self._opened(number, directory):
                self._emit(Note("qmgr", f"queue partition {number} had no owner: taken over"))
                self._on_change()
            else:
                self._unlock(number)

    async def _opened(self, number: int, directory: Path) -> bool:
        """Whether a partition holds mail and is ours now; whatever breaks in one does not keep us from the others."""
        try:
            return await asyncio.to_thread(_holds_mail, directory) and bool(await self._open_aside(number, directory))
        except Exception as error:
            self._tell_unopened(number, error)
            return False

    def close(self) -> None:
        """Commit what is pending and give all partitions up."""
        for number in list(self._stores):
            self._disown(number).close()
            self._unlock(number)
            if number in self._guest_of:
                os.close(self._guest_of.pop(number).descriptor)

    def _of(self, identity: QueueId) -> SqliteStore:
        return self._stores.get(identity.partition, self._home)

    def _take_home(self) -> SqliteStore:
        known = dict(directories(self._directory))
        for number in range(1, max(known, default=0) + 2):
            directory = self._directory / schema.STORE / str(number)
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._lock(number, directory):
                if not ownership.guests(directory) and (store := self._open(number, directory)):
                    return store
                self._unlock(number)
        return self._take_new_home(max(known, default=0) + 2)

    def _take_new_home(self, number: int) -> SqliteStore:
        """Others took the free ones meanwhile: try fresh numbers."""
        for candidate in range(number, number + 1000):
            directory = self._directory / schema.STORE / str(candidate)
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._lock(candidate, directory) and (store := self._open(candidate, directory)):
                return store
        raise QueueUnavailable("no queue partition can be opened")

    def _open(self, number: int, directory: Path) -> SqliteStore | None:
        """Blocks while a tool has the database locked: for the start only."""
        try:
            store = self._store(number, directory)
        except Exception as error:  # a worker that ended of it would not start again either
            self._tell_unopened(number, error)
            return None
        return self._own(store)

    async def _open_aside(self, number: int, directory: Path) -> SqliteStore:
        """The same, while sessions and deliveries go on; raises what opening it does."""
        return self._own(await asyncio.to_thread(self._store, number, directory, asyncio.get_running_loop()))

    def _own(self, store: SqliteStore) -> SqliteStore:
        self._stores[store.partition] = store
        self._bells[store.partition] = Doorbell(store.directory, self._on_change)
        return store

    def _disown(self, number: int) -> SqliteStore:
        """The store, for the caller to close and then to unlock."""
        if bell := self._bells.pop(number, None):
            bell.close()
        return self._stores.pop(number)

    def _store(self, number: int, directory: Path, loop: asyncio.AbstractEventLoop | None = None) -> SqliteStore:
        return SqliteStore(
            directory,
            number,
            emit=self._emit,
            on_change=self._on_change,
            commit_timeout=self._timeout,
            clock=self._clock,
            loop=loop,
        )

    def _tell_unopened(self, number: int, error: Exception) -> None:
        self._emit(Note("qmgr", f"queue partition {number} cannot be opened: {error}", severity="error"))

    def _lock(self, number: int, directory: Path) -> bool:
        descriptor = ownership.own(directory)
        if descriptor is not None:
            self._locks[number] = descriptor
        return descriptor is not None

    def _unlock(self, number: int) -> None:
        if number in self._locks:
            os.close(self._locks.pop(number))

    async def release(self) -> None:
        """Give up what was adopted and is empty by now."""
        for store in self.stores():
            try:
                if store is not self._home and await store.leave():
                    self._disown(store.partition).hand_over()
                    await asyncio.to_thread(store.close)
                    self._unlock(store.partition)
            except QueueUnavailable as error:
                self._emit(PartitionFailed("qmgr", store.partition, str(error)))

    async def _purge(self) -> None:
        try:
            await self._home.purge(self._clock() - self._lifetime, PURGE_AT_ONCE)
        except QueueUnavailable as error:
            self._emit(Note("qmgr", f"queue ledger not purged: {error}", severity="warning"))


def _holds_mail(directory: Path) -> bool:
    """Whether a partition has anything to do. One that cannot be read may have: opening it tells, and salvages."""
    database = directory / schema.DATABASE
    if not database.exists():
        return False
    try:
        connection = sqlite3.connect(database)
        try:
            return connection.execute("SELECT 1 FROM recipient LIMIT 1").fetchone() is not None
        finally:
            connection.close()
    except sqlite3.Error:
        return True
