"""What transactions on a partition's database do besides the steps of most of them (steps.py): claim, shelve, hasten, mark, forget.
Everything here runs in the committer's thread, and inside a transaction that it opened, but for `put` and `unneeded_files`, which
come before and after one; nothing here commits. Each function raises sqlite3.Error, those on contents also OSError.
"""

import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from gatepost.mail.content import Content, FileContent, MemoryContent
from gatepost.mail.envelope import Envelope
from gatepost.mail.outcome import Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.mail.queued import ActiveMessage, QueuedRecipient
from gatepost.queue import steps
from gatepost.queue.contents import ContentFiles, checksum, is_inline, is_whole, new_checksum, offset_of
from gatepost.queue.port import NewMessage
from gatepost.queue.record import text_of, unpack, unpack_outcome
from gatepost.queue.schema import placeholders, run_for_rows
from gatepost.queue.steps import Step

WARNED = 1
EXPIRE = 2
TRACED = 4
"""Bits of message.flags: a delay warning was sent; an administrator asked for expiry; the report of the delivery was sent."""


class DamagedMessage(Exception):
    """A stored message is not what was put: `what` part of it, of message `key`."""

    def __init__(self, key: int, what: str) -> None:
        super().__init__(f"message {key}: {what}")
        self.key = key
        self.what = what


class Claim(Struct, frozen=True):
    """What to claim: recipients due at `now` (seconds since 1970), at most `per_site` of each site and `limit` in all, of
    sites after `after` in their order (round robin), without those in `skip`."""

    now: float
    limit: int
    per_site: int
    skip: Collection[str]
    after: str


class Claimed(Struct, frozen=True):
    """What was claimed; `after` for the next Claim, `exhausted` when all sites were seen; `damaged` messages were not."""

    messages: tuple[ActiveMessage, ...]
    after: str
    exhausted: bool
    damaged: tuple[DamagedMessage, ...] = ()


def put(files: ContentFiles, message: NewMessage, guest: int) -> tuple[list[Step], bool]:
    """The steps that store a message (`guest`: steps.put), and whether its content went into a file, being too large for the
    database: then `files` must be synced before the steps are taken. Raises OSError; anything else where the message cannot be
    written down."""
    content = message.content
    crc = new_checksum(content)
    if is_inline(content):
        return steps.put(message, guest, content.read(), crc, -1), False
    stored = steps.put(message, guest, None, crc, offset_of(content, files.staging))
    files.keep(message.id.key, content)
    return stored, True


def unneeded_files(connection: sqlite3.Connection, files: ContentFiles, keys: Iterable[int]) -> list[int]:
    """Those of these messages that have a content file which nobody needs: all is settled, or they were never stored."""
    return [key for key in files.held_by(keys) if not live(connection, key)]


def live(connection: sqlite3.Connection, key: int) -> int:
    """How many recipients of message `key` are not done."""
    count: int = connection.execute("SELECT count(*) FROM recipient WHERE key = ?", (key,)).fetchone()[0]
    return count


def forget(connection: sqlite3.Connection, key: int) -> None:
    """Undo a put that was never acknowledged."""
    for table in ("message", "content", "recipient"):
        connection.execute(f"DELETE FROM {table} WHERE key = ?", (key,))


def shelve(connection: sqlite3.Connection, key: int, numbers: Iterable[int], site: str) -> None:
    """Let recipients of a message that the caller has in hand wait in the store until they are claimed for `site`."""
    connection.executemany(
        "UPDATE recipient SET status = 0, site = ? WHERE key = ? AND number = ? AND status IN (6, 9)",
        [(site, key, number) for number in numbers],
    )


def let_go_active(connection: sqlite3.Connection) -> None:
    """The owner before this one is gone: what it had in hand is due."""
    connection.execute("UPDATE recipient SET status = 0 WHERE status = 6")


def let_go_under_way(connection: sqlite3.Connection, guests: Collection[int]) -> None:
    """There are these guests and no others: what others had in hand is due."""
    theirs = placeholders(len(guests), 1)
    connection.execute(f"UPDATE recipient SET status = 0 WHERE status = 9 AND abs(due) NOT IN {theirs}", [*guests])


def keep_under_way(connection: sqlite3.Connection, guest: int) -> None:
    """The partition is to have another owner, and what this one has in hand stays in its hand: that of a guest of that number. It
    takes the place of when the recipient was due, for it was; below zero is still what was FLUSHED."""
    connection.execute("UPDATE recipient SET status = 9, due = iif(due < 0, -?1, ?1) WHERE status = 6", (guest,))


HASTEN_AT_ONCE = 2000


def hasten(connection: sqlite3.Connection, after: int) -> int | None:
    """Make some of what waits due now: messages after key `after`. Returns the key to go on from, None when done; in steps,
    so that no commit waits long."""
    last: int | None = connection.execute(
        "SELECT max(key) FROM (SELECT key FROM recipient WHERE key > ? ORDER BY key LIMIT ?)", (after, HASTEN_AT_ONCE)
    ).fetchone()[0]
    if last is not None:
        connection.execute("UPDATE recipient SET due = 0 WHERE key > ? AND key <= ? AND status = 0", (after, last))
    return last


def mark(connection: sqlite3.Connection, key: int, flag: int) -> None:
    connection.execute("UPDATE message SET flags = flags | ? WHERE key = ?", (flag, key))


SITES_AT_ONCE = 500
"""Sites that one claim looks at: it never holds up a commit for long."""


def claim(connection: sqlite3.Connection, files: ContentFiles, partition: int, wanted: Claim) -> Claimed:
    """Take what is due, and mark it ACTIVE."""
    chosen: dict[int, None] = {}
    count, site = 0, wanted.after
    exhausted = False
    for _ in range(SITES_AT_ONCE):
        following = connection.execute(
            "SELECT site FROM recipient INDEXED BY waiting WHERE status = 0 AND site > ? ORDER BY site LIMIT 1", (site,)
        ).fetchone()
        if following is None:
            exhausted = True
            break
        site = following[0]
        if site in wanted.skip:
            continue
        count += _choose(connection, site, wanted, min(wanted.per_site, wanted.limit - count), chosen)
        if count >= wanted.limit:
            break
    messages, damaged = _take(connection, files, partition, wanted, chosen)
    return Claimed(messages, "" if exhausted else site, exhausted, damaged)


def claim_fresh(connection: sqlite3.Connection, files: ContentFiles, partition: int, wanted: Claim) -> Claimed:
    """Take messages that were never tried: those of no site yet, oldest first."""
    chosen: dict[int, None] = {}
    _choose(connection, "", wanted, wanted.limit, chosen)
    messages, damaged = _take(connection, files, partition, wanted, chosen)
    return Claimed(messages, "", True, damaged)


def requeued(connection: sqlite3.Connection, files: ContentFiles, partition: int, after: int, limit: int) -> Claimed:
    """The messages that follow key `after` and are to be taken in anew, with those of their recipients."""
    keys = connection.execute(
        "SELECT DISTINCT key FROM recipient INDEXED BY requeued WHERE status = 8 AND key > ? ORDER BY key LIMIT ?", (after, limit)
    ).fetchall()
    messages: list[ActiveMessage] = []
    damaged: list[DamagedMessage] = []
    for (key,) in keys:
        rows = connection.execute("SELECT number FROM recipient WHERE key = ? AND status = 8", (key,)).fetchall()
        try:
            messages.append(load(connection, files, QueueId(key, partition), [number for (number,) in rows]))
        except DamagedMessage as damage:
            damaged.append(damage)
            hold_damaged(connection, damage)
    return Claimed(tuple(messages), "", len(keys) < limit, tuple(damaged))


def _choose(connection: sqlite3.Connection, site: str, wanted: Claim, limit: int, chosen: dict[int, None]) -> int:
    rows = connection.execute(
        "SELECT key FROM recipient INDEXED BY waiting WHERE status = 0 AND site = ? AND due <= ? ORDER BY due LIMIT ?",
        (site, wanted.now, limit),
    ).fetchall()
    chosen.update(dict.fromkeys(key for (key,) in rows))
    return len(rows)


def _take(
    connection: sqlite3.Connection, files: ContentFiles, partition: int, wanted: Claim, chosen: Iterable[int]
) -> tuple[tuple[ActiveMessage, ...], tuple[DamagedMessage, ...]]:
    messages: list[ActiveMessage] = []
    damaged: list[DamagedMessage] = []
    for key in chosen:
        numbers = _due_numbers(connection, key, wanted)
        try:
            messages.append(load(connection, files, QueueId(key, partition), numbers))
        except DamagedMessage as damage:
            damaged.append(damage)
            hold_damaged(connection, damage)
            continue
        run_for_rows(
            connection,
            "UPDATE recipient SET status = 6 WHERE (key, number) IN (VALUES {})",
            [(key, number) for number in numbers],
        )
    return tuple(messages), tuple(damaged)


def _due_numbers(connection: sqlite3.Connection, key: int, wanted: Claim) -> frozenset[int]:
    """All recipients of a message that are due go in one pass, so that its sender gets one report."""
    rows = connection.execute(
        "SELECT number, site FROM recipient WHERE key = ? AND status = 0 AND due <= ?", (key, wanted.now)
    ).fetchall()
    return frozenset(number for number, site in rows if site not in wanted.skip)


def hold_damaged(connection: sqlite3.Connection, damage: DamagedMessage) -> None:
    """What cannot be delivered as it was accepted is held for a person to look at."""
    connection.execute("UPDATE recipient SET status = 1, reason = ? WHERE key = ?", (text_of(damage.what), damage.key))


def load(connection: sqlite3.Connection, files: ContentFiles, identity: QueueId, numbers: Collection[int]) -> ActiveMessage:
    """Message `identity` with its recipients `numbers`. Raises DamagedMessage."""
    key = identity.key
    row = connection.execute(
        "SELECT envelope, envelope_crc, size, flags, content_size, content_crc, content_offset FROM message WHERE key = ?", (key,)
    ).fetchone()
    if row is None:
        raise DamagedMessage(key, "envelope missing")
    packed, envelope_crc, size, flags, content_size, content_crc, offset = row
    envelope = checked_envelope(key, packed, envelope_crc)
    content = load_content(connection, files.path, key, (content_size, content_crc, offset))
    states = connection.execute("SELECT number, attempts, outcome, due FROM recipient WHERE key = ?", (key,)).fetchall()
    _check_numbers(key, size, flags, *(attempts for _, attempts, *_ in states))
    if any(number not in range(len(envelope.recipients)) for number, *_ in states):
        raise DamagedMessage(key, "recipients damaged")
    return ActiveMessage(
        id=identity,
        envelope=replace(envelope, recipients=()),
        content=content,
        size=size,
        recipients=tuple(
            QueuedRecipient(number, envelope.recipients[number], attempts, _last(outcome))
            for number, attempts, outcome, _ in states
            if number in numbers
        ),
        warned=bool(flags & WARNED),
        traced=bool(flags & TRACED),
        expire=bool(flags & EXPIRE),
        flushed=any(due < 0 for *_, due in states),
    )


def _last(packed: object) -> Outcome | None:
    """How the last attempt ended. It is only told to people: where it cannot be read, the message goes on without."""
    try:
        return unpack_outcome(packed) if isinstance(packed, str) else None
    except ValueError:
        return None


def _check_numbers(key: int, *values: object) -> None:
    """SQLite keeps whatever type it is given, so a damaged row may hold anything. Raises DamagedMessage."""
    if not all(type(value) is int for value in values):
        raise DamagedMessage(key, "record damaged")


def checked_envelope(key: int, packed: object, crc: int) -> Envelope:
    """The envelope that `packed` holds. Raises DamagedMessage."""
    if not isinstance(packed, bytes) or zlib.crc32(packed) != crc:
        raise DamagedMessage(key, "envelope damaged")
    try:
        return unpack(packed)
    except ValueError as error:
        raise DamagedMessage(key, "envelope damaged") from error


def load_content(connection: sqlite3.Connection, path_of: Callable[[int], Path], key: int, known: tuple[int, int, int]) -> Content:
    """The content of message `key`; `known` is its size, checksum and offset (-1: a row). Raises DamagedMessage."""
    _check_numbers(key, *known)
    size, crc, offset = known
    content: Content
    if offset < 0:
        row = connection.execute("SELECT data FROM content WHERE key = ?", (key,)).fetchone()
        if row is None or not isinstance(row[0], bytes):
            raise DamagedMessage(key, "content missing")
        content = MemoryContent(row[0])
    else:
        content = FileContent(path_of(key), size, offset)
    try:
        sound = content.size == size and is_whole(content) and checksum(content) == crc
    except OSError as error:
        raise DamagedMessage(key, "content file missing or unreadable") from error
    if not sound:
        raise DamagedMessage(key, "content damaged")
    return content
