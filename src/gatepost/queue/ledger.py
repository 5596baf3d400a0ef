"""The ledger: how each acknowledged recipient ended, kept for a while (`queue_ledger_lifetime`)."""

import sqlite3

from gatepost.queue.schema import run_for_rows


def purge(connection: sqlite3.Connection, before: float, after: int, limit: int) -> int:
    """Of the `limit` messages that follow key `after` and arrived before `before` (seconds since 1970), forget those that have
    no recipient left. Returns the key to go on from, 0 when there are no more. Raises sqlite3.Error."""
    keys = connection.execute(
        "SELECT key, EXISTS (SELECT 1 FROM recipient WHERE recipient.key = message.key) FROM message"
        " WHERE key > ? AND key < ? ORDER BY key LIMIT ?",
        (after, int(before * 1_000_000), limit),
    ).fetchall()
    done: list[tuple[object, ...]] = [(key,) for key, is_live in keys if not is_live]
    for table in ("ledger", "message"):
        run_for_rows(connection, f"DELETE FROM {table} WHERE key IN (VALUES {{}})", done)
    return keys[-1][0] if len(keys) == limit else 0
