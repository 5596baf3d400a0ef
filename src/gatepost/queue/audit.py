"""The audit: every acknowledged recipient is accounted for (`gatepost audit`)."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from gatepost.mail.ascii_text import is_number
from gatepost.mail.queue_id import QueueId
from gatepost.queue import schema
from gatepost.queue.inspect import open_partition, read
from gatepost.queue.schema import directories
from gatepost.queue.transaction import DamagedMessage


class Finding(Struct, frozen=True):
    """Something that is not as it must be; `id` is None where it concerns no message. `harmless`: nothing is lost by it."""

    partition: int
    text: str
    id: QueueId | None = None
    harmless: bool = False


class Tally(Struct):
    """What was looked at: messages, recipients that are live, and recipients by how they ended (Status)."""

    messages: int = 0
    live: int = 0
    ended: dict[int, int] = {}


_CHECKS = (
    (
        "{0} recipients were acknowledged, {1} are on record",
        False,
        "SELECT key, recipients, known FROM (SELECT m.key, m.recipients, (SELECT count(*) FROM recipient WHERE key = m.key)"
        " + (SELECT count(*) FROM ledger WHERE key = m.key) AS known FROM message AS m) WHERE known <> recipients",
    ),
    (
        "recipient {0} is both waiting and done",
        True,
        "SELECT key, number FROM recipient NATURAL JOIN (SELECT key, number FROM ledger)",
    ),
    (
        "recipient {0} has no message",
        False,
        "SELECT key, number FROM recipient WHERE NOT EXISTS (SELECT 1 FROM message WHERE message.key = recipient.key)",
    ),
    (
        "the content is missing",
        False,
        "SELECT DISTINCT key FROM recipient NATURAL JOIN (SELECT key FROM message WHERE content_offset < 0)"
        " WHERE NOT EXISTS (SELECT 1 FROM content WHERE content.key = recipient.key)",
    ),
    (
        "a content that nobody needs is left over",
        True,
        "SELECT key FROM content WHERE NOT EXISTS (SELECT 1 FROM recipient WHERE recipient.key = content.key)",
    ),
)


def audit(queue_directory: Path, tally: Tally, *, thorough: bool = False) -> Iterator[Finding]:
    """Look at every partition and yield what is wrong; `tally` is counted up. `thorough`: read every live content and compare
    its checksum, and let SQLite check its database, which takes as long as reading it all."""
    for number, directory in directories(queue_directory):
        if not (directory / schema.DATABASE).exists():
            continue
        try:
            connection = open_partition(directory)
            try:
                yield from _partition(connection, number, directory, tally)
                if thorough:
                    yield from _thoroughly(connection, queue_directory, number)
            finally:
                connection.close()
        except sqlite3.Error as error:
            yield Finding(number, f"the database cannot be read: {error}")


def _partition(connection: sqlite3.Connection, number: int, directory: Path, tally: Tally) -> Iterator[Finding]:
    # One snapshot for all questions: a running worker goes on meanwhile.
    connection.execute("BEGIN")
    for text, harmless, question in _CHECKS:
        for key, *values in connection.execute(question):
            yield Finding(number, text.format(*values), QueueId(key, number), harmless)
    yield from _files(connection, number, directory / schema.CONTENT)
    tally.messages += connection.execute("SELECT count(*) FROM message").fetchone()[0]
    tally.live += connection.execute("SELECT count(*) FROM recipient").fetchone()[0]
    for status, count in connection.execute("SELECT status, count(*) FROM ledger GROUP BY status"):
        tally.ended[status] = tally.ended.get(status, 0) + count
    connection.execute("COMMIT")


def _files(connection: sqlite3.Connection, number: int, folder: Path) -> Iterator[Finding]:
    present = {int(path.name) for path in folder.iterdir() if is_number(path.name)} if folder.exists() else set()
    needed = {
        key
        for (key,) in connection.execute(
            "SELECT key FROM message WHERE content_offset >= 0"
            " AND EXISTS (SELECT 1 FROM recipient WHERE recipient.key = message.key)"
        )
    }
    for key in sorted(needed - present):
        yield Finding(number, "the content file is missing", QueueId(key, number))
    for key in sorted(present - needed):
        yield Finding(number, f"a content file that nobody needs is left over: {key}", None, harmless=True)


def _thoroughly(connection: sqlite3.Connection, queue_directory: Path, number: int) -> Iterator[Finding]:
    for (text,) in connection.execute("PRAGMA quick_check"):
        if text != "ok":
            yield Finding(number, text)
    for (key,) in connection.execute("SELECT DISTINCT key FROM recipient"):
        try:
            read(queue_directory, QueueId(key, number))
        except DamagedMessage as damage:
            yield Finding(number, damage.what, QueueId(key, number))
