"""`sqlite:/file`, `sqlite:prefix`: a table in a file of SQLite (sqlite_table(5)). The library waits for locks and disks, so threads
ask it; a query that nobody waits for any more is broken off."""

import contextlib
import sqlite3
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from gatepost.lookup.blocking import BlockingCalls, Hangs
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.server_access import ANSWER_LIMIT
from gatepost.lookup.server_parameters import read_parameters, required
from gatepost.lookup.server_pool import Servers, pool_of
from gatepost.lookup.server_table import ServerTable, domains_of
from gatepost.lookup.sparing import Sparing
from gatepost.lookup.sql_table import Database, Found, QueryError, Row, SqlConnection, lookup_of
from gatepost.lookup.table_text import opened
from gatepost.net.stream_port import Crowd, Reuse, StreamFailure, Trouble

_THREADS: Final = 4
_AGE: Final = 60.0
"""Seconds until a file is opened anew: it may have been replaced."""
_STEPS: Final = 10_000
"""Steps of the library's machine from one look at whether anybody still waits to the next."""
_AWAY: Final = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR))
"""Codes that say that the file cannot be read now; others are of the query, or of what it read."""


class SqliteConnection:
    """An open file, read only."""

    def __init__(self, connection: sqlite3.Connection, calls: BlockingCalls) -> None:
        self.closed = False
        self._connection, self._calls = connection, calls
        self._busy = False
        connection.set_progress_handler(lambda: self.closed, _STEPS)

    def close(self) -> None:
        """End it. Where a thread is busy with it, that thread does so, as soon as it notices."""
        self.closed = True
        if not self._busy:
            self._connection.close()

    async def rows(self, sql: str, values: Sequence[str]) -> Found:
        """Raises StreamFailure."""
        self._busy = True
        try:
            return await self._calls.run(object(), lambda: self._ask(sql, values))
        except Hangs as hangs:
            raise StreamFailure(Trouble.TIMEOUT, hangs.why) from None

    def _ask(self, sql: str, values: Sequence[str]) -> Found:
        """In a thread."""
        try:
            with contextlib.closing(self._connection.execute(sql, values)) as cursor:
                return _bounded(cursor)
        except sqlite3.Error as error:
            return _meaning(error)
        finally:
            self._busy = False
            if self.closed:
                self._connection.close()


def _bounded(cursor: sqlite3.Cursor) -> list[Row]:
    rows: list[Row] = []
    octets = 0
    for row in cursor:
        texts = [_text(value) for value in row[:1]]  # as in Postfix, whose other databases give all columns
        octets += sum(len(text) + 1 for text in texts if text is not None)
        if octets > ANSWER_LIMIT:
            raise StreamFailure(Trouble.OVERLONG, heard=True)
        rows.append(texts)
    return rows


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _meaning(error: sqlite3.Error) -> QueryError:
    """What an error of the library says of the query. Raises StreamFailure for one of the file."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _AWAY:
        raise StreamFailure(Trouble.CONNECT if code == sqlite3.SQLITE_CANTOPEN else Trouble.TIMEOUT, str(error))
    if code == sqlite3.SQLITE_TOOBIG:
        raise StreamFailure(Trouble.OVERLONG, heard=True)
    return QueryError(str(error), str(code))


def open_table(opening: Opening) -> ServerTable:
    """Raises Unavailable for a mistake in the parameters, or where there is no such file."""
    parameters = read_parameters(opening)
    required(parameters, ("dbpath",))
    path = parameters.text("dbpath")
    lookup = lookup_of(parameters, "sqlite")
    domains = domains_of(parameters, opening)
    opened(path, opening.spec, "open database").close()
    access = opening.tables.access
    seconds = access.limits.helper_lookup_timeout
    calls = BlockingCalls(_THREADS, seconds)
    sql = lookup.statement.sql(lambda number: f"?{number}")

    def open_one() -> sqlite3.Connection:
        """In a thread: a path may lead over a network, or to a pipe by now."""
        opened(path, opening.spec, "open database").close()
        connection = sqlite3.connect(
            f"file:{quote(path)}?mode=ro", uri=True, timeout=seconds, isolation_level=None, check_same_thread=False
        )
        connection.text_factory = lambda octets: octets.decode("utf-8", "surrogateescape")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, ANSWER_LIMIT)
        return connection

    async def connect() -> SqlConnection:
        try:
            connection = await calls.run(object(), open_one)
        except LookupFailure as failure:
            raise StreamFailure(Trouble.CONNECT, failure.why) from None
        except sqlite3.Error as error:
            raise StreamFailure(Trouble.CONNECT, str(error)) from None
        return SqliteConnection(connection, calls)

    rules = access.rules(seconds, crowd=Crowd(_THREADS, _THREADS // 2), reuse=Reuse(_AGE, _AGE))
    servers = Servers([pool_of(opening, path, connect, rules)])
    sparing = Sparing(opening.warn, opening.clock)
    return ServerTable(opening, Database(opening.spec, lookup, sql, servers, sparing), domains)
