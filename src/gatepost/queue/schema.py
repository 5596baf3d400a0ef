"""The database of one partition: its tables, and how a connection to it is set up.

message    one row per message, kept as long as the ledger; `envelope` is the whole envelope as accepted, with its checksum
content    the octets of small contents; large ones are files beside the database
recipient  one row per recipient that is not done yet; `(site, due)` is indexed for those that wait, and for them only:
           a message delivered at once never touches that index. `outcome`: how the last attempt ended, `reason` its words. `due` of
           one that a guest has in hand (Status.UNDER_WAY) is that guest's number
ledger     one row per recipient that is done: how it ended, when, and who did it
"""

import os
import sqlite3
from functools import lru_cache
from pathlib import Path

from gatepost.mail.ascii_text import is_number

STORE = "store"
DATABASE = "queue.sqlite"
CONTENT = "content"
STAGING = "staging"

FLUSHED = -1.0
"""`due` of a recipient that somebody wants tried now, whatever `defer_transports` says. So is any below zero."""

BUSY_TIMEOUT = 5.0
"""Seconds that a writer waits for another one (a tool, or the worker)."""

CHECKPOINT_PAGES = 1000
"""Pages of write-ahead log after which they are copied into the database; more saves nothing that was measured."""

# SECURE_DELETE is on in Debian's build: it would overwrite every content with zeros.
_PRAGMAS = ("trusted_schema = OFF", "secure_delete = OFF", "journal_mode = WAL", "synchronous = FULL", "temp_store = MEMORY")

_VERSION = 2
_REQUEUED = "CREATE INDEX requeued ON recipient(key) WHERE status = 8"
_UPGRADES = {1: f"ALTER TABLE recipient ADD COLUMN outcome TEXT;{_REQUEUED}"}
"""What makes the next version of a database of that version."""

_TABLES = f"""
CREATE TABLE message(key INTEGER PRIMARY KEY, sender, size INTEGER, recipients INTEGER, flags INTEGER,
    envelope BLOB, envelope_crc INTEGER, content_size INTEGER, content_crc INTEGER, content_offset INTEGER);
CREATE TABLE content(key INTEGER PRIMARY KEY, data BLOB);
CREATE TABLE recipient(key INTEGER, number INTEGER, status INTEGER, due REAL, site TEXT, attempts INTEGER, reason,
    address, outcome TEXT, PRIMARY KEY(key, number)) WITHOUT ROWID;
CREATE INDEX waiting ON recipient(site, due) WHERE status = 0;
{_REQUEUED};
CREATE TABLE ledger(key INTEGER, number INTEGER, status INTEGER, at REAL, outcome TEXT, by TEXT, address,
    PRIMARY KEY(key, number)) WITHOUT ROWID;
CREATE TABLE signal(name TEXT PRIMARY KEY, count INTEGER) WITHOUT ROWID;
"""


def directories(queue_directory: Path) -> list[tuple[int, Path]]:
    """(number, directory) of every partition there is, in order. Raises OSError, but not where there is none yet."""
    root = queue_directory / STORE
    try:
        names = os.listdir(root)
    except FileNotFoundError:
        return []
    return [(number, root / str(number)) for number in sorted(int(name) for name in names if is_number(name))]


def connect(directory: Path) -> sqlite3.Connection:
    """A connection to the database in `directory`, which is made where there is none. Every commit is synced to disk. What runs
    by itself in a database, views, triggers and virtual tables, is none of ours: tools of root open what a worker could have
    written. Raises sqlite3.Error."""
    connection = sqlite3.connect(
        directory / DATABASE, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}").fetchall()
        _refuse_programs(connection)
        _create(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_programs(connection: sqlite3.Connection) -> None:
    found = connection.execute(
        "SELECT type, name FROM sqlite_schema WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%'"
    )
    for kind, name in found:
        raise sqlite3.DatabaseError(f"the {kind} {name!a} in the database is none of Gatepost's")


def _create(connection: sqlite3.Connection) -> None:
    if _version(connection) == _VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    version = _version(connection)
    for text in [_UPGRADES[older] for older in range(version, _VERSION)] if version else [_TABLES]:
        for statement in text.split(";"):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


@lru_cache(64)
def placeholders(row: int, rows: int) -> str:
    """`(?,?),(?,?)...`: `rows` rows of `row` values."""
    one = "(" + ",".join("?" * row) + ")"
    return ",".join([one] * rows)


def run_for_rows(connection: sqlite3.Connection, statement: str, rows: "list[tuple[object, ...]]") -> None:
    """Run `statement` with `{}` standing for all of `rows` at once, a few sizes of them so that it stays prepared. One
    step for many rows also means that the interpreter's lock changes hands once, not once a row."""
    done = 0
    while done < len(rows):
        count = min(64, 1 << ((len(rows) - done).bit_length() - 1))
        chunk = rows[done : done + count]
        connection.execute(statement.format(placeholders(len(chunk[0]), count)), [value for row in chunk for value in row])
        done += count
