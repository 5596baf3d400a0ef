"""Reading the queue as tools do (mailq, postqueue -j, postcat): all partitions, whether a worker runs or not.

Nothing here loads the whole queue: listings come row by row, in the order of arrival.
"""

import sqlite3
from collections.abc import Callable, Iterator
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


class ListedMessage(Struct, frozen=True, gc=False):
    """A queued message. `queue`: `active`, `hold`, `incoming`, `deferred` or `maildrop`, as Postfix would have it; `size` as
    logged."""

    id: QueueId
    sender: str
    size: int
    queue: str
    recipients: tuple[ListedRecipient, ...]
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
SELECT r.key, r.number, r.address, r.status, ifnull(r.due + 0.0, 0), ifnull(r.attempts + 0, 0), r.reason,
    m.sender, ifnull(m.size + 0, 0), ifnull(m.flags + 0, 0)
FROM recipient AS r CROSS JOIN message AS m ON m.key = r.key ORDER BY r.key, r.number"""
_QUEUE_OF: dict[tuple[int, bool], str] = {
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

    return heapq.merge(*listings, key=lambda message: message.id.key)


def _listing(partition: int, directory: Path, trouble: Trouble) -> Iterator[ListedMessage]:
    try:
        connection = open_partition(directory)
        try:
            yield from _grouped(partition, connection.execute(_LISTING))
        finally:
            connection.close()
    except sqlite3.Error as error:
        trouble(directory, error)


Row = tuple[int, int, str, int, float, int, str, str, int, int]


def _grouped(partition: int, rows: Iterator[Row]) -> Iterator[ListedMessage]:
    """Rows of recipients as messages. A listing of a million spends its time here: plain steps, few calls."""
    last = -1
    recipients: list[ListedRecipient] = []
    sender, size, flags = "", 0, 0
    for key, number, address, status, due, attempts, reason, its_sender, its_size, its_flags in rows:
        if key != last:
            if recipients:
                yield ListedMessage(
                    QueueId(last, partition), sender, size, queue_of(recipients), tuple(recipients), flags & EXPIRE != 0
                )
                recipients = []
            last, size, flags = key, its_size, its_flags
            sender = its_sender if type(its_sender) is str else as_text(its_sender)
        if type(address) is not str or type(reason) is not str:
            address, reason = as_text(address), as_text(reason)
        recipients.append(ListedRecipient(number, address, _status(status), due, attempts, reason))
    if recipients:
        yield ListedMessage(QueueId(last, partition), sender, size, queue_of(recipients), tuple(recipients), flags & EXPIRE != 0)


def queue_of(recipients: list[ListedRecipient]) -> str:
    """The queue of Postfix that a message with these recipients would be in."""
    if len(recipients) == 1:
        [recipient] = recipients
        return _QUEUE_OF[recipient.status, recipient.attempts > 0]
    statuses = {recipient.status for recipient in recipients}
    status = next((s for s in (Status.HELD, Status.REQUEUED, Status.ACTIVE) if s in statuses), Status.QUEUED)
    return _QUEUE_OF[status, any(recipient.attempts for recipient in recipients)]


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
    return StoredMessage(identity, envelope, content, size, statuses, queue_of(recipients) if recipients else "")
