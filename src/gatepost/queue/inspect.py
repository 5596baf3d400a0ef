"""Reading the queue as tools do (mailq, postqueue -j, postcat): all partitions, whether a worker runs or not.

Nothing here loads the whole queue: listings come row by row, in the order of arrival.
"""

import itertools
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter, itemgetter
from pathlib import Path

from msgspec import Struct

from gatepost.mail.content import Content
from gatepost.mail.envelope import Envelope
from gatepost.mail.queue_id import QueueId
from gatepost.queue import schema
from gatepost.queue.port import Status
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


class StoredMessage(Struct, frozen=True):
    """A message as it was accepted, and where its recipients stand by now, by index."""

    id: QueueId
    envelope: Envelope
    content: Content | None
    size: int
    states: dict[int, Status]
    queue: str = ""


# Numbers are made numbers: a damaged row may hold anything, and is to be listed all the same.
_LISTING = """
SELECT r.key, m.sender, ifnull(m.size + 0, 0), ifnull(m.flags + 0, 0), r.status, ifnull(r.attempts + 0, 0) > 0, r.reason, r.address
FROM recipient AS r CROSS JOIN message AS m ON m.key = r.key ORDER BY r.key, r.number"""
_KEY, _STATE, _REASON, _ADDRESS = itemgetter(0), itemgetter(4, 5), itemgetter(6), itemgetter(7)
_PARAMOUNT = (Status.HELD, Status.REQUEUED, Status.ACTIVE)
_QUEUE_OF: dict[tuple[Status, bool], str] = {
    (Status.HELD, False): "hold",
    (Status.HELD, True): "hold",
    (Status.ACTIVE, False): "active",
    (Status.ACTIVE, True): "active",
    (Status.REQUEUED, False): "maildrop",
    (Status.REQUEUED, True): "maildrop",
    (Status.QUEUED, False): "incoming",
    (Status.QUEUED, True): "deferred",
}
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
    listings = [
        _listing(number, directory, trouble)
        for number, directory in directories(queue_directory)
        if (directory / schema.DATABASE).exists()
    ]
    if len(listings) == 1:
        return listings[0]
    import heapq

    return heapq.merge(*listings, key=attrgetter("id.key"))


def _listing(partition: int, directory: Path, trouble: Trouble) -> Iterator[ListedMessage]:
    try:
        connection = open_partition(directory)
        try:
            yield from _listed(partition, connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        trouble(directory, error)


def _listed(partition: int, connection: sqlite3.Connection) -> Iterator[ListedMessage]:
    """Row by row: a listing of a million messages spends its time here, and then where it is written down."""
    for key, group in itertools.groupby(connection.execute(_LISTING), _KEY):
        rows = list(group)
        _, sender, size, flags, status, tried, reason, address = rows[0]
        runs: tuple[Run, ...]
        if len(rows) == 1:
            queue, runs = _QUEUE_OF[_status(status), tried != 0], (Run(as_text(reason), (as_text(address),)),)
        else:
            queue, runs = _queue_of(set(map(_STATE, rows))), _runs(rows)
        yield ListedMessage(QueueId(key, partition), as_text(sender), size, queue, runs, flags & EXPIRE != 0)


def _runs(rows: Iterable[tuple[object, ...]]) -> tuple[Run, ...]:
    grouped = itertools.groupby(rows, _REASON)
    return tuple(Run(as_text(reason), tuple(map(as_text, map(_ADDRESS, run)))) for reason, run in grouped)


def _queue_of(states: Iterable[tuple[object, int]]) -> str:
    """The queue of Postfix that a message would be in whose recipients have these (status, whether it was tried)."""
    statuses = {_status(status) for status, _ in states}
    status = next((status for status in _PARAMOUNT if status in statuses), Status.QUEUED)
    return _QUEUE_OF[status, any(tried for _, tried in states)]


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
