"""Changes of the store, made in one transaction, and the sweep that goes on with them and takes away what has expired."""

import contextlib
import functools
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

from gatepost.state.port import ABSENT, MayLose
from gatepost.state.state_file import Damaged, is_full, set_durability

SWEPT_PER_CHANGE: Final = 8
"""Entries that the sweep passes for each change. Of N entries it has passed all after N/8 changes: when as many expire as come,
what has expired and is still there is an eighth of all at most."""
MOST_AT_ONCE: Final = 256
"""Changes of one transaction."""

_LONGEST_SWEEP: Final = SWEPT_PER_CHANGE * MOST_AT_ONCE  # entries in one transaction, so that nobody waits long for it
_SHORTEST_SWEEP: Final = 64
_SWEEPS_FOR_ROOM: Final = 4  # of a full file, for one transaction: the next one goes on from there
_COLUMNS: Final = 4
_MOST_ROWS: Final = 50  # of one statement: between two of them the interpreter changes hands
_MICROSECONDS: Final = 1_000_000

_REVISION = """SELECT revision FROM entry WHERE key = ? AND expires > ?
AND typeof(value) = 'blob' AND typeof(revision) = 'integer' AND typeof(expires) = 'real'"""
"""Of what get finds, too (state_file.entry_of): a row that cannot be read is no entry."""
_REVISIONS = "UPDATE place SET revision = max(revision + ?1, ?2 + ?1) RETURNING revision"
"""Takes so many; of the time in microseconds, so that a fresh file goes on behind one that was set aside."""
_DELETE = "DELETE FROM entry WHERE key = ?"
_SWEPT_TO = "SELECT swept_to FROM place"
_SWEEP_END = "SELECT key FROM entry WHERE key > ? ORDER BY key LIMIT 1 OFFSET ?"
_SWEEP = "DELETE FROM entry WHERE key > ? AND key <= ? AND expires <= ?"
_LAST_SWEEP = "DELETE FROM entry WHERE key > ? AND expires <= ?"


class Change:
    """One change of one key, as it stands in the file.

    - `value`: None to delete;
    - `revision`: what the key must have, None for whatever;
    - `expires`: seconds since 1970;
    - `may_lose`: of its space;
    - `future`: of who waits for it;
    - `result`: what StateStore's methods return, once it is made.
    """

    __slots__ = ("expires", "future", "key", "may_lose", "result", "revision", "value")

    def __init__(
        self, key: bytes, value: bytes | None, revision: int | None, expires: float, may_lose: MayLose, future: Any = None
    ) -> None:
        self.key = key
        self.value = value
        self.revision = revision
        self.expires = expires
        self.may_lose = may_lose
        self.future = future
        self.result: Any = None


class Changing:
    """A connection that makes changes. `connection`: one of state_file.open_writing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._may_lose: MayLose | None = None
        self._due = 0
        """Entries that the sweep has to pass for changes of ours, those that failed included."""

    def commit(self, changes: Sequence[Change], now: float, may_lose: MayLose) -> None:
        """Make all changes, in their order, or none. `now`: seconds since 1970. Raises sqlite3.Error.

        A file that is full has room for them perhaps once the sweep has taken away what has expired: on its own, as the changes
        would take it back with them."""
        if may_lose is not self._may_lose:
            set_durability(self._connection, may_lose)
            self._may_lose = may_lose
        self._due = min(self._due + SWEPT_PER_CHANGE * len(changes), _LONGEST_SWEEP)
        for sweeps in range(_SWEEPS_FOR_ROOM + 1):
            try:
                self._make_all(changes, now)
                return
            except sqlite3.Error as error:
                if not is_full(error) or sweeps == _SWEEPS_FOR_ROOM:
                    raise
            self._sweep(_LONGEST_SWEEP, now)

    def close(self) -> None:
        self._connection.close()

    def _make_all(self, changes: Sequence[Change], now: float) -> None:
        with self._transaction() as connection:
            _make(connection, changes, _revisions(connection, len(changes), now), now)
            if swept := self._due >= _SHORTEST_SWEEP:
                _sweep(connection, self._due, now)
        if swept:
            self._due = 0

    def _sweep(self, entries: int, now: float) -> None:
        with self._transaction() as connection:
            _sweep(connection, entries, now)
        self._due = 0

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _revisions(connection: sqlite3.Connection, number: int, now: float) -> int:
    """The first of so many new revisions. One more is taken, so that a commit of nothing writes, and is synced. Raises Damaged."""
    rows = connection.execute(_REVISIONS, (number + 1, int(now * _MICROSECONDS))).fetchall()
    if len(rows) != 1 or not isinstance(rows[0][0], int):
        raise Damaged("the last revision cannot be read")
    return int(rows[0][0]) - number


def _make(connection: sqlite3.Connection, changes: Sequence[Change], first: int, now: float) -> None:
    """Make the changes, the first of which has the revision `first`. Puts that follow each other are one statement."""
    puts: list[object] = []
    for revision, change in enumerate(changes, first):
        if change.value is not None and change.revision is None:
            puts += (change.key, change.value, revision, change.expires)
            change.result = revision
            if len(puts) == _MOST_ROWS * _COLUMNS:
                _put(connection, puts)
                puts = []
            continue
        if puts:
            _put(connection, puts)
            puts = []
        change.result = _made(connection, change, revision, now)
    if puts:
        _put(connection, puts)


def _made(connection: sqlite3.Connection, change: Change, revision: int, now: float) -> int | bool | None:
    """What came of a change that depends on what is there."""
    rows = connection.execute(_REVISION, (change.key, now)).fetchall()
    found = rows[0][0] if rows else ABSENT
    if change.value is None:
        if found == ABSENT or change.revision not in (None, found):
            return False
        connection.execute(_DELETE, (change.key,))
        return True
    if found != change.revision:
        return None
    _put(connection, [change.key, change.value, revision, change.expires])
    return revision


def _put(connection: sqlite3.Connection, values: Sequence[object]) -> None:
    connection.execute(_put_rows(len(values) // _COLUMNS), values)


@functools.cache
def _put_rows(rows: int) -> str:
    return "INSERT OR REPLACE INTO entry VALUES " + ", ".join(["(?, ?, ?, ?)"] * rows)


def _sweep(connection: sqlite3.Connection, entries: int, now: float) -> None:
    """Take away what has expired of so many entries that follow, and begin again behind the last."""
    rows = connection.execute(_SWEPT_TO).fetchall()
    if len(rows) != 1 or not isinstance(rows[0][0], bytes):
        raise Damaged("how far it is swept cannot be read")
    swept_to = rows[0][0]
    end = connection.execute(_SWEEP_END, (swept_to, entries - 1)).fetchall()
    if end:
        connection.execute(_SWEEP, (swept_to, end[0][0], now))
        connection.execute("UPDATE place SET swept_to = ?", end[0])
    else:
        connection.execute(_LAST_SWEEP, (swept_to, now))
        connection.execute("UPDATE place SET swept_to = x''")
