"""Reading the queue as tools do (mailq, postqueue -j, postcat): all partitions, whether a worker runs or not.

Nothing here loads the whole queue: listings come row by row, in the order of arrival.
"""

import itertools
import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from msgspec import Struct

from gatepost.mail.content import Content
from gatepost.mail.envelope import Envelope
from gatepost.mail.queue_id import QueueId
from gatepost.queue import schema
from gatepost.queue.port import IN_HAND, Status
from gatepost.queue.record import as_text
from gatepost.queue.schema import directories
from gatepost.queue.transaction import EXPIRE, checked_envelope, load_content

Trouble = Callable[[Path, Exception], object]


class ListedRecipient(Struct, frozen=True, gc=False):
    """A recipient that is not done. `due`: seconds since 1970; `reason`: of the last deferral."""

    index: int
    address: str
    status: Status
    due: float
    attempts: int
    reason: str


class Run(Struct, frozen=True, gc=False):
    """Neighbouring recipients of a message that wait for one reason: that of their last deferral, empty before there was one."""

    reason: str
    addresses: tuple[str, ...]


class ListedMessage(Struct, frozen=True, gc=False):
    """A queued message. `queue`: `active`, `hold`, `incoming`, `deferred` or `maildrop`, as Postfix would have it; `size` as
    logged."""

    id: QueueId
    sender: str
    size: int
    queue: str
    runs: tuple[Run, ...]
    expire: bool = False


class Singles(Struct, frozen=True):
    """Messages of which one recipient each is left, column by column; one by one they are ListedMessage. In a queue of a million
    nearly all are of that kind, and a column is gone through at once."""

    ids: Sequence[QueueId]
    senders: Sequence[str]
    sizes: Sequence[int]
    queues: Sequence[str]
    reasons: Sequence[str]
    addresses: Sequence[str]
    expire: Sequence[bool]

    def __iter__(self) -> Iterator[ListedMessage]:
        runs = zip(map(Run, self.reasons, zip(self.addresses)))
        return map(ListedMessage, self.ids, self.senders, self.sizes, self.queues, runs, self.expire)


Batch = Singles | list[ListedMessage]
"""Some messages in the order of arrival."""


class StoredMessage(Struct, frozen=True):
    """A message as it was accepted, and where its recipients stand by now, by index."""

    id: QueueId
    envelope: Envelope
    content: Content | None
    size: int
    states: dict[int, Status]
    queue: str = ""


# Numbers are made numbers: a damaged row may hold anything, and is to be listed all the same.
_LISTING = f"""
SELECT r.key, ?, m.sender, CAST(ifnull(m.size, 0) AS INTEGER), r.status, ifnull(r.attempts + 0, 0) > 0, r.reason, r.address,
    (ifnull(m.flags + 0, 0) & {EXPIRE}) != 0
FROM recipient AS r CROSS JOIN message AS m ON m.key = r.key ORDER BY r.key, r.number"""
_Row = tuple[Any, ...]
_KEY, _ID, _STATE, _REASON, _ADDRESS = itemgetter(0), itemgetter(0, 1), itemgetter(4, 5), itemgetter(6), itemgetter(7)
_AT_ONCE = 1000
"""Rows that are read together."""

_PARAMOUNT = (Status.HELD, Status.REQUEUED, *IN_HAND)
_HOLD = "hold"
_QUEUE_OF: dict[tuple[int, int], str] = {
    (int(status), tried): queue
    for status, *queues in (
        (Status.HELD, _HOLD, _HOLD),
        (Status.ACTIVE, "active", "active"),
        (Status.UNDER_WAY, "active", "active"),
        (Status.REQUEUED, "maildrop", "maildrop"),
        (Status.QUEUED, "incoming", "deferred"),
    )
    for tried, queue in enumerate(queues)
}
"""By status, and whether it was tried."""
_STATUS: dict[object, Status] = {int(status): status for status in Status}


def _status(stored: object) -> Status:
    """A stored status; one that is none counts as held, since nobody will deliver it."""
    return _STATUS.get(stored, Status.HELD)


def open_partition(directory: Path) -> sqlite3.Connection:
    """A connection to an existing partition. Raises sqlite3.Error."""
    return schema.connect(directory)


def ignore(directory: Path, error: Exception) -> None:
    """Pass over a partition that cannot be read."""


def messages(queue_directory: Path, trouble: Trouble = ignore) -> Iterator[ListedMessage]:
    """All queued messages in the order of arrival. `trouble` hears of partitions that cannot be read."""
    return itertools.chain.from_iterable(batches(queue_directory, trouble))


def batches(queue_directory: Path, trouble: Trouble = ignore) -> Iterator[Batch]:
    """The same, some at a time. A listing of a million messages spends its time here, and then where they are written down."""
    partitions = [
        _rows(number, directory, trouble)
        for number, directory in directories(queue_directory)
        if (directory / schema.DATABASE).exists()
    ]
    for rows in _in_order(partitions):
        yield _singles(rows) if len(set(map(_ID, rows))) == len(rows) else _gathered(rows)


_Rows = Iterator[list[_Row]]


def _rows(partition: int, directory: Path, trouble: Trouble) -> _Rows:
    try:
        connection = open_partition(directory)
        try:
            found = connection.execute(_LISTING, (partition,))
            while rows := found.fetchmany(_AT_ONCE):
                yield rows
        finally:
            connection.close()
    except sqlite3.Error as error:
        trouble(directory, error)


def _in_order(partitions: Iterable[_Rows]) -> _Rows:
    """The rows of all partitions by arrival, each time all those of some messages: of what came before the last row of any
    partition nothing is unread."""
    reading = {more: rows for more in partitions if (rows := next(more, []))}
    rest: list[_Row] = []  # of partitions that were read to their end
    while reading:
        bound = min(_KEY(rows[-1]) for rows in reading.values())
        whole: list[_Row] = []
        for rows in (rest, *reading.values()):
            end = bisect_left(rows, bound, key=_KEY)
            whole += rows[:end]
            del rows[:end]
        for more, rows in tuple(reading.items()):
            if _KEY(rows[-1]) == bound:
                following = next(more, [])
                rows += following
                if not following:
                    rest = sorted(rest + reading.pop(more), key=_ID)
        if whole:
            whole.sort(key=_ID)
            yield whole
    if rest:
        yield rest


def _singles(rows: Iterable[_Row]) -> Singles:
    keys, partitions, senders, sizes, statuses, tried, reasons, addresses, expire = zip(*rows, strict=True)
    queues = map(_QUEUE_OF.get, zip(statuses, tried, strict=True), itertools.repeat(_HOLD))
    return Singles(
        tuple(map(QueueId, keys, partitions)), _texts(senders), sizes, tuple(queues), _texts(reasons), _texts(addresses),
        tuple(map(bool, expire)),
    )  # fmt: skip


def _texts(stored: Sequence[Any]) -> Sequence[str]:
    """`as_text` of each, which nearly all are."""
    return stored if set(map(type, stored)) == {str} else tuple(map(as_text, stored))


def _gathered(rows: Iterable[_Row]) -> list[ListedMessage]:
    return [_message(list(group)) for _, group in itertools.groupby(rows, _ID)]


def _message(rows: Sequence[_Row]) -> ListedMessage:
    key, partition, sender, size, *_, expire = rows[0]
    queue, runs = _queue_of(set(map(_STATE, rows))), itertools.groupby(rows, _REASON)
    return ListedMessage(
        QueueId(key, partition),
        as_text(sender),
        size,
        queue,
        tuple(Run(as_text(reason), tuple(map(as_text, map(_ADDRESS, run)))) for reason, run in runs),
        bool(expire),
    )


def _queue_of(states: Iterable[tuple[object, int]]) -> str:
    """The queue of Postfix that a message would be in whose recipients have these (status, whether it was tried)."""
    statuses = {_status(status) for status, _ in states}
    status = next((status for status in _PARAMOUNT if status in statuses), Status.QUEUED)
    return _QUEUE_OF[int(status), any(tried for _, tried in states)]


def read(queue_directory: Path, identity: QueueId) -> StoredMessage | None:
    """The message `identity`, done or not; None where the queue knows of none. `content` is None where it was given up. Raises
    DamagedMessage where its parts are not what was put, sqlite3.Error where the partition cannot be read."""
    directory = dict(directories(queue_directory)).get(identity.partition)
    if directory is None:
        return None
    connection = open_partition(directory)
    try:
        connection.execute("BEGIN")  # one state of the queue for all that is read of a message
        return _stored(connection, directory, identity)
    finally:
        connection.close()


def _stored(connection: sqlite3.Connection, directory: Path, identity: QueueId) -> StoredMessage | None:
    key = identity.key
    row = connection.execute(
        "SELECT envelope, envelope_crc, size, content_size, content_crc, content_offset FROM message WHERE key = ?", (key,)
    ).fetchone()
    if row is None:
        return None
    packed, crc, size, *known = row
    live = connection.execute("SELECT number, address, status, due, attempts, reason FROM recipient WHERE key = ?", (key,))
    recipients = [ListedRecipient(n, as_text(a), _status(s), d, t, as_text(r)) for n, a, s, d, t, r in live]
    states = dict(connection.execute("SELECT number, status FROM ledger WHERE key = ?", (key,)).fetchall())
    states.update((r.index, r.status) for r in recipients)
    content = load_content(connection, lambda k: directory / schema.CONTENT / str(k), key, (*known,)) if recipients else None
    envelope = checked_envelope(key, packed, crc)
    statuses = {number: _status(status) for number, status in states.items()}
    queue = _queue_of({(r.status, r.attempts) for r in recipients}) if recipients else ""
    return StoredMessage(identity, envelope, content, size, statuses, queue)
