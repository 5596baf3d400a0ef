"""The ledger: how each acknowledged recipient ended, kept for a while (`queue_ledger_lifetime`)."""

import sqlite3

from gatepost.queue.schema import run_for_rows


def purge(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Forget at most `limit` messages that arrived before `before` (seconds since 1970) and have no recipient left; returns
    how many. Raises sqlite3.Error."""
    keys = connection.execute(
        "SELECT key FROM message WHERE key < ? AND NOT EXISTS (SELECT 1 FROM recipient WHERE recipient.key = message.key)"
        " ORDER BY key LIMIT ?",
        (int(before * 1_000_000), limit),
    ).fetchall()
    for table in ("ledger", "message"):
        run_for_rows(connection, f"DELETE FROM {table} WHERE key IN (VALUES {{}})", keys)
    return len(keys)
