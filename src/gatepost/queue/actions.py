"""What a person may do to queued mail (postsuper, postqueue -f -i -s): hold, release, requeue, delete, expire, flush.

Tools write to the databases themselves, in short transactions, and ring for the worker (doorbell.py).
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.queue import schema
from gatepost.queue.doorbell import ring
from gatepost.queue.inspect import open_partition
from gatepost.queue.port import Status
from gatepost.queue.record import pack_outcome, text_of
from gatepost.queue.schema import FLUSHED, directories

AT_ONCE = 1000
"""Messages that one transaction changes at most."""

_QUEUES = {
    "hold": "r.status = 1",
    "active": "r.status IN (6, 9)",
    "incoming": "r.status = 0 AND r.attempts = 0",
    "deferred": "r.status = 0 AND r.attempts > 0",
    "maildrop": "r.status = 8",
}
_TOLD = Outcome(Class.PERMANENT, "5.7.0", "deleted by the administrator")


class Selection(Struct, frozen=True):
    """Which messages: those for which all that is given holds for some recipient. `queues`: names as in `_QUEUES`;
    `before`: arrived before, seconds since 1970; `site`: the recipient's domain or the next hop that it waits for."""

    queues: tuple[str, ...] = ()
    sender: str | None = None
    recipient: str | None = None
    before: float | None = None
    site: str | None = None

    def where(self) -> tuple[str, list[object]]:
        """As a condition of SQL over `recipient AS r, message AS m`, with its values."""
        terms: list[str] = []
        values: list[object] = []
        if self.queues:
            terms.append(_in_queues(self.queues))
        for column, value in (("m.sender", self.sender), ("r.address", self.recipient)):
            if value is not None:
                terms.append(f"{column} = ?")
                values.append(text_of(value))
        if self.before is not None:
            terms.append("r.key < ?")
            values.append(int(self.before * 1_000_000))
        if self.site is not None:
            terms.append("(r.address LIKE ? ESCAPE '\\' OR r.site LIKE ? ESCAPE '\\')")
            escaped = self.site.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            values += [f"%@{escaped}", f"%\n{escaped}"]
        return " AND ".join(terms) or "1", values


def _in_queues(queues: Sequence[str]) -> str:
    """The condition that recipient `r` is in one of these queues; none named: in any."""
    return "(" + " OR ".join(f"({_QUEUES[name]})" for name in queues or _QUEUES) + ")"


class Action(Struct, frozen=True):
    """What is done to each message, in one of these transactions. The statements' parameters are its `key`, and `due`, the time
    when the queue is next run. `only`: in which queues it is looked for (empty: in all). `if_so`: what else must hold of the
    message `m`. `finishes`: its recipients are done with it."""

    statements: tuple[str, ...]
    only: tuple[str, ...] = ()
    if_so: str = "1"
    finishes: bool = False

    def within(self, queues: Sequence[str]) -> "Action | None":
        """The same in these queues alone (empty: wherever it may be done); None where it is not for them."""
        only = tuple(name for name in queues if not self.only or name in self.only)
        return replace(self, only=only) if only else None if queues else self


_QUEUED = ("hold", "incoming", "active", "deferred")

HOLD = Action(("UPDATE recipient SET status = 1 WHERE key = :key AND status IN (0, 6, 9)",), ("incoming", "active", "deferred"))
# What was on hold waits like deferred mail, whether it was ever tried or not.
_RELEASE = "UPDATE recipient SET status = 0, due = :due, attempts = max(attempts, 1) WHERE key = :key AND status = 1"
RELEASE = Action((_RELEASE,), ("hold",))
REQUEUE = Action(("UPDATE recipient SET status = 8 WHERE key = :key",), _QUEUED)
FLUSH = Action((f"UPDATE recipient SET due = {FLUSHED} WHERE key = :key AND status = 0",), ("incoming", "deferred"))
EXPIRE = Action(("UPDATE message SET flags = flags | 2 WHERE key = :key",), _QUEUED, "m.flags & 2 = 0")
DELETE = Action((), finishes=True)


def by_ids(
    queue_directory: Path,
    action: Action,
    ids: Iterable[QueueId],
    *,
    queues: Sequence[str] = (),
    by: str = "",
    now: float = 0.0,
    due: float = 0.0,
) -> tuple[list[QueueId], list[QueueId]]:
    """Do `action` to these messages, if they are in these queues; returns (done, not found). `by`: who asks, for the ledger; `now`,
    `due`: seconds since 1970. Raises sqlite3.Error."""
    done: list[QueueId] = []
    wanted = list(ids)
    here = action.within(queues)
    if here is None:
        return [], wanted
    known = dict(directories(queue_directory))
    for partition in dict.fromkeys(identity.partition for identity in wanted):
        if partition in known:
            keys = [identity.key for identity in wanted if identity.partition == partition]
            done += [QueueId(key, partition) for key in _each(known[partition], here, keys, by, now, due)]
    found = set(done)
    return done, [identity for identity in wanted if identity not in found]


def by_selection(
    queue_directory: Path,
    action: Action,
    selection: Selection,
    *,
    by: str = "",
    now: float = 0.0,
    due: float = 0.0,
    tell: Callable[[QueueId], object] = lambda identity: None,
) -> int:
    """Do `action` to all messages of `selection`, telling of each; returns how many. Raises sqlite3.Error."""
    count = 0
    for partition, directory in directories(queue_directory):
        for keys in _selected(directory, action, selection):
            for key in _each(directory, action, keys, by, now, due):
                tell(QueueId(key, partition))
                count += 1
    return count


def flush(queue_directory: Path) -> None:
    """Try everything now, dead destinations too (`postqueue -f`). Raises sqlite3.Error."""
    by_selection(queue_directory, FLUSH, Selection(queues=FLUSH.only))
    signal_flush(queue_directory)


def signal_flush(queue_directory: Path) -> None:
    """Ask the workers to give dead destinations another chance. Raises sqlite3.Error."""
    for _, directory in directories(queue_directory):
        connection = open_partition(directory)
        connection.execute("INSERT INTO signal VALUES ('flush', 1) ON CONFLICT(name) DO UPDATE SET count = count + 1")
        connection.close()
        ring(directory)


def _selected(directory: Path, action: Action, selection: Selection) -> Iterator[list[int]]:
    """Keys of the selection, some at a time, each once."""
    if action.only and not selection.queues:
        selection = replace(selection, queues=action.only)
    condition, values = selection.where()
    connection = open_partition(directory)
    after = -1
    try:
        while True:
            rows = connection.execute(
                "SELECT DISTINCT r.key FROM recipient AS r CROSS JOIN message AS m ON m.key = r.key"
                f" WHERE r.key > ? AND {condition} ORDER BY r.key LIMIT ?",
                (after, *values, AT_ONCE),
            ).fetchall()
            if not rows:
                return
            after = rows[-1][0]
            yield [key for (key,) in rows]
    finally:
        connection.close()


def _each(directory: Path, action: Action, keys: list[int], by: str, now: float, due: float) -> list[int]:
    """Do `action` in transactions of some messages; returns the keys of those that were there."""
    connection = open_partition(directory)
    done: list[int] = []
    try:
        for start in range(0, len(keys), AT_ONCE):
            connection.execute("BEGIN IMMEDIATE")
            try:
                here = [key for key in keys[start : start + AT_ONCE] if _apply(connection, action, key, by, now, due)]
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            if action.finishes:
                for key in here:
                    (directory / schema.CONTENT / str(key)).unlink(missing_ok=True)
            done += here
    finally:
        connection.close()
    ring(directory)
    return done


def _apply(connection: sqlite3.Connection, action: Action, key: int, by: str, now: float, due: float) -> bool:
    there = (
        "SELECT 1 FROM recipient AS r CROSS JOIN message AS m ON m.key = r.key"
        f" WHERE r.key = ? AND {_in_queues(action.only)} AND {action.if_so} LIMIT 1"
    )
    if connection.execute(there, (key,)).fetchone() is None:
        return False
    for statement in action.statements:
        connection.execute(statement, {"key": key, "due": due})
    if action.finishes:
        connection.execute(
            "INSERT OR IGNORE INTO ledger SELECT key, number, ?, ?, ?, ?, address FROM recipient WHERE key = ?",
            (int(Status.DELETED), now, pack_outcome(_TOLD), by, key),
        )
        connection.execute("DELETE FROM recipient WHERE key = ?", (key,))
        connection.execute("DELETE FROM content WHERE key = ?", (key,))
    return True
