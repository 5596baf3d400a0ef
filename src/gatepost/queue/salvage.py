"""A damaged database is set aside, and what can still be read of it goes on in a fresh one."""

import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from gatepost.events.records import Emit, Note
from gatepost.queue import schema
from gatepost.queue.port import Status
from gatepost.queue.record import text_of, unpack

CORRUPT = "corrupt"
_TABLES = ("message", "content", "recipient", "ledger")
_QUEUED = "key, number, status, due, site, attempts, reason, address"
_SIDE_FILES = ("", "-wal", "-shm")


def heal(directory: Path, error: Exception, emit: Emit) -> sqlite3.Connection:
    """Move the database of `directory` to its folder `corrupt`, copy every readable row into a new one, and say so.
    Returns a connection to the new one. Raises sqlite3.Error or OSError where not even that is possible; then all is as it was."""
    aside = _set_aside(directory)
    emit(Note("qmgr", f"queue database {directory.name} is damaged ({error}): moved to {aside}", severity="error"))
    try:
        connection, counts = _salvaged(aside, directory)
    except BaseException:  # no room on the disk, say: an empty database in its place would look sound the next time
        _put_back(aside, directory)
        raise
    summary = ", ".join(f"{count} {table} rows" for table, count in counts.items())
    emit(Note("qmgr", f"queue database {directory.name}: salvaged {summary}", severity="warning"))
    return connection


def _set_aside(directory: Path) -> Path:
    folder = directory / CORRUPT
    folder.mkdir(mode=0o700, exist_ok=True)
    name = f"{schema.DATABASE}.{time.time_ns()}"
    for suffix in _SIDE_FILES:
        source = directory / (schema.DATABASE + suffix)
        if source.exists():
            os.rename(source, folder / (name + suffix))
    return folder / name


def _put_back(aside: Path, directory: Path) -> None:
    for suffix in _SIDE_FILES:
        damaged, place = aside.with_name(aside.name + suffix), directory / (schema.DATABASE + suffix)
        place.unlink(missing_ok=True)
        if damaged.exists():
            os.rename(damaged, place)


def _salvaged(damaged: Path, directory: Path) -> tuple[sqlite3.Connection, dict[str, int]]:
    """A new database in `directory` with what can be read, and how much that is."""
    fresh = schema.connect(directory)
    try:
        return fresh, _salvage(damaged, fresh)
    except BaseException:
        fresh.close()
        raise


def _salvage(damaged: Path, fresh: sqlite3.Connection) -> dict[str, int]:
    counts = dict.fromkeys(_TABLES, 0)
    old = sqlite3.connect(damaged, isolation_level=None)
    fresh.execute("BEGIN IMMEDIATE")
    try:
        for table in _TABLES:
            columns = ", ".join(_columns(old, table))
            for row in _readable(old, table):
                fresh.execute(f"INSERT OR IGNORE INTO {table}({columns}) VALUES {schema.placeholders(len(row), 1)}", row)
                counts[table] += 1
        fresh.execute("DELETE FROM content WHERE key NOT IN (SELECT key FROM message)")
        counts["recovered recipient"] = _recover_recipients(fresh, damaged.parents[1] / schema.CONTENT)
        fresh.execute("COMMIT")
    finally:
        old.close()
    return counts


def _columns(old: sqlite3.Connection, table: str) -> list[str]:
    """The columns of a table: the damaged database may be older than we are. Empty where not even that can be read."""
    try:
        return [name for _, name, *_ in old.execute(f"PRAGMA table_info({table})")]
    except sqlite3.Error:
        return []


def _recover_recipients(fresh: sqlite3.Connection, contents: Path) -> int:
    """Recipients whose rows are lost are queued again where the content is still there: rather twice than never. Returns how
    many."""
    lost = fresh.execute(
        "SELECT key, envelope, content_offset FROM message AS m WHERE recipients >"
        " (SELECT count(*) FROM recipient WHERE key = m.key) + (SELECT count(*) FROM ledger WHERE key = m.key)"
    ).fetchall()
    recovered = 0
    for key, packed, offset in lost:
        if not isinstance(packed, bytes) or not isinstance(offset, int):
            continue  # a damaged row may hold anything
        if offset < 0:
            there = fresh.execute("SELECT 1 FROM content WHERE key = ?", (key,)).fetchone() is not None
        else:
            there = (contents / str(key)).exists()
        if there:
            recovered += _queue_again(fresh, key, packed)
    return recovered


def _queue_again(fresh: sqlite3.Connection, key: int, packed: bytes) -> int:
    try:
        envelope = unpack(packed)
    except ValueError:
        return 0
    before = fresh.total_changes
    for number, recipient in enumerate(envelope.recipients):
        if fresh.execute("SELECT 1 FROM ledger WHERE key = ? AND number = ?", (key, number)).fetchone() is None:
            row = (key, number, int(Status.QUEUED), 0, "", 0, "", text_of(recipient.address))
            fresh.execute(f"INSERT OR IGNORE INTO recipient({_QUEUED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    return fresh.total_changes - before


def _readable(old: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...]]:
    """Rows of `table` from its beginning up to the damage, then from its end back to it."""
    seen: set[object] = set()
    order = "key, number" if table in ("recipient", "ledger") else "key"
    for direction in ("ASC", "DESC"):
        terms = ", ".join(f"{column} {direction}" for column in order.split(", "))
        try:
            for row in old.execute(f"SELECT * FROM {table} ORDER BY {terms}"):
                identity = row[:2] if "," in order else row[0]
                if identity in seen:
                    return
                seen.add(identity)
                yield row
        except sqlite3.Error:
            continue
