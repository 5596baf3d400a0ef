"""Changes of the store, made in one transaction, and the hand that goes round with them and takes away what has expired."""

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
_MICROSECONDS: Final = 1_000_000

_REVISION = "SELECT revision FROM entry WHERE key = ? AND expires > ?"
_PUT = "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)"
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


class Hand:
    """How far the hand has to go for the changes of this process, in entries."""

    __slots__ = ("due",)

    def __init__(self) -> None:
        self.due = 0


def commit(connection: sqlite3.Connection, changes: Sequence[Change], now: float, lose: MayLose, hand: Hand) -> None:
    """Make all changes, in their order, or none. `now`: seconds since 1970. Raises sqlite3.Error."""
    may_lose(connection, lose)
    connection.execute("BEGIN IMMEDIATE")
    try:
        ((last,),) = connection.execute("SELECT revision FROM place").fetchall()
        last = max(last, int(now * _MICROSECONDS))  # a fresh file goes on behind one that was set aside
        for change in changes:
            last += 1
            change.result = _made(connection, change, last, now)
        hand.due += LOOKED_AT * len(changes)
        if hand.due >= _SHORTEST_STEP:
            _step(connection, min(hand.due, _LONGEST_STEP), now)
            hand.due = 0
        connection.execute("UPDATE place SET revision = ?", (last,))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _made(connection: sqlite3.Connection, change: Change, revision: int, now: float) -> int | bool | None:
    if change.revision is not None or change.value is None:
        rows = connection.execute(_REVISION, (change.key, now)).fetchall()
        found = rows[0][0] if rows else ABSENT
        if change.value is None:
            if found == ABSENT or change.revision not in (None, found):
                return False
            connection.execute(_DELETE, (change.key,))
            return True
        if found != change.revision:
            return None
    connection.execute(_PUT, (change.key, change.value, revision, change.expires))
    return revision


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
