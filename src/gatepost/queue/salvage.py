"""A damaged database is set aside, and what can still be read of it goes on in a fresh one."""

import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from gatepost.events.records import Emit, Note
from gatepost.queue import schema

CORRUPT = "corrupt"
_TABLES = ("message", "content", "recipient", "ledger")
_SIDE_FILES = ("", "-wal", "-shm")


def heal(directory: Path, error: Exception, emit: Emit) -> sqlite3.Connection:
    """Move the database of `directory` to its folder `corrupt`, copy every readable row into a new one, and say so.
    Returns a connection to the new one. Raises sqlite3.Error or OSError where not even that is possible."""
    aside = _set_aside(directory)
    emit(Note("qmgr", f"queue database {directory.name} is damaged ({error}): moved to {aside}", severity="error"))
    connection = schema.connect(directory)
    counts = _salvage(aside, connection)
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


def _salvage(damaged: Path, fresh: sqlite3.Connection) -> dict[str, int]:
    counts = dict.fromkeys(_TABLES, 0)
    old = sqlite3.connect(damaged, isolation_level=None)
    fresh.execute("BEGIN IMMEDIATE")
    try:
        for table in _TABLES:
            for row in _readable(old, table):
                fresh.execute(f"INSERT OR IGNORE INTO {table} VALUES {schema.placeholders(len(row), 1)}", row)
                counts[table] += 1
        fresh.execute("DELETE FROM content WHERE key NOT IN (SELECT key FROM message)")
        fresh.execute("COMMIT")
    finally:
        old.close()
    return counts


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
