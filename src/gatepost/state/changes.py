"""Changes of the store, made in one transaction, and the hand that goes round with them and takes away what has expired."""

import functools
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from gatepost.state.port import ABSENT, MayLose
from gatepost.state.state_file import may_lose

LOOKED_AT: Final = 8
"""Entries that the hand looks at for each change. Of N entries it has seen all after N/8 changes: when as many expire as come, what
has expired and is still there is an eighth of all at most."""

_LONGEST_STEP: Final = 2048  # entries in one transaction, so that nobody waits long for it
_SHORTEST_STEP: Final = 64
_COLUMNS: Final = 4
_MOST_ROWS: Final = 50  # of one statement: between two of them the interpreter changes hands
_MICROSECONDS: Final = 1_000_000

_REVISION = "SELECT revision FROM entry WHERE key = ? AND expires > ?"
_REVISIONS = "UPDATE place SET revision = max(revision + ?1, ?2 + ?1) RETURNING revision"
"""Takes so many; of the time in microseconds, so that a fresh file goes on behind one that was set aside."""
_DELETE = "DELETE FROM entry WHERE key = ?"
_STEP_END = "SELECT key FROM entry WHERE key > ? ORDER BY key LIMIT 1 OFFSET ?"
_STEP = "DELETE FROM entry WHERE key > ? AND key <= ? AND expires <= ?"
_LAST_STEP = "DELETE FROM entry WHERE key > ? AND expires <= ?"


class Change:
    """One change of one key, as it stands in the file. `value`: None to delete; `revision`: what the key must have, None for
    whatever; `result`: what StateStore's methods return; `future`: who waits for it."""

    __slots__ = ("expires", "future", "key", "lose", "result", "revision", "value")

    def __init__(
        self, key: bytes, value: bytes | None, revision: int | None, expires: float, lose: MayLose, future: Any = None
    ) -> None:
        self.key = key
        self.value = value
        self.revision = revision
        self.expires = expires
        self.lose = lose
        self.future = future
        self.result: Any = None


class Changing:
    """A connection that makes changes. `connection`: one of state_file.open_writing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lose: MayLose | None = None
        self._due = 0  # entries that the hand has to look at for changes of ours

    def commit(self, changes: Sequence[Change], now: float, lose: MayLose) -> None:
        """Make all changes, in their order, or none. `now`: seconds since 1970. Raises sqlite3.Error."""
        connection = self._connection
        if lose is not self._lose:
            may_lose(connection, lose)
            self._lose = lose
        connection.execute("BEGIN IMMEDIATE")
        try:
            ((last,),) = connection.execute(_REVISIONS, (len(changes) + 1, int(now * _MICROSECONDS))).fetchall()
            _make(connection, changes, last - len(changes), now)
            self._due += LOOKED_AT * len(changes)
            if self._due >= _SHORTEST_STEP:
                _step(connection, min(self._due, _LONGEST_STEP), now)
                self._due = 0
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self._connection.close()


def _make(connection: sqlite3.Connection, changes: Sequence[Change], first: int, now: float) -> None:
    """Make the changes, the first of which has the revision `first`. Puts that follow each other are one statement."""
    puts: list[object] = []
    for revision, change in enumerate(changes, first):
        if change.value is not None and change.revision is None:
            puts += (change.key, change.value, revision, change.expires)
            change.result = revision
        if puts and (change.result != revision or len(puts) == _MOST_ROWS * _COLUMNS):
            _put(connection, puts)
            puts = []
        if change.result != revision:
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


def _step(connection: sqlite3.Connection, entries: int, now: float) -> None:
    """Let the hand go on over so many entries, and begin again behind the last."""
    ((hand,),) = connection.execute("SELECT hand FROM place").fetchall()
    end = connection.execute(_STEP_END, (hand, entries - 1)).fetchall()
    if end:
        connection.execute(_STEP, (hand, end[0][0], now))
        connection.execute("UPDATE place SET hand = ?", end[0])
    else:
        connection.execute(_LAST_STEP, (hand, now))
        connection.execute("UPDATE place SET hand = x''")
