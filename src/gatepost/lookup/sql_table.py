"""What tables in databases have in common: their query, in both of Postfix's forms, and what becomes of the rows that it finds
(mysql_table(5), pgsql_table(5), sqlite_table(5))."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from gatepost.lookup.key_format import Address, BadFormat, KeyFormat, divided
from gatepost.lookup.port import LookupFailure, Unavailable
from gatepost.lookup.server_parameters import TableParameters, format_of, required
from gatepost.lookup.server_pool import ServerPool, Servers
from gatepost.lookup.sparing import Sparing
from gatepost.lookup.sql_query import DIALECTS, Statement, parse
from gatepost.net.stream_port import StreamFailure

Row = Sequence[str | None]


class QueryError(Struct, frozen=True):
    """The server has understood, and says why it cannot answer such a query: no other need be asked, and the connection is as good
    as before. `code`: the server's own for errors of its kind; the words may repeat what was asked."""

    words: str
    code: str = ""


Found = Sequence[Row] | QueryError


class SqlConnection(Protocol):
    """A connection of a driver."""

    @property
    def closed(self) -> bool: ...

    def close(self) -> None: ...

    async def rows(self, sql: str, values: Sequence[str]) -> Found:
        """What a query finds with these values. Raises StreamFailure."""
        ...


class Lookup(Struct, frozen=True):
    """What a table asks. `limit`: the most results, 0 for any number."""

    statement: Statement
    result: KeyFormat
    limit: int


class Database:
    """The source of such a table. `lookup`: what it asks; `sql`: its query as the driver wants it."""

    def __init__(self, spec: str, lookup: Lookup, sql: str, servers: Servers[SqlConnection], sparing: Sparing) -> None:
        self._spec, self._lookup, self._sql = spec, lookup, sql
        self._servers, self._sparing = servers, sparing

    async def find(self, key: str, owner: str) -> str | None:
        """The results, separated by commas. Raises StreamFailure, LookupFailure."""
        address = divided(key)
        values = self._lookup.statement.expand(address)
        if values is None or not self._lookup.result.has_key_parts(address):
            return None
        rows = await self._servers.ask(lambda connection: connection.rows(self._sql, values), owner, self._tell)
        if isinstance(rows, QueryError):
            raise self._failure(rows.words, rows.code)
        return ",".join(self._results(rows, address)) or None

    async def probe(self) -> Mapping[str, str]:
        wrong = {pool.server: await self._wrong(pool) for pool in self._servers.pools}
        return {server: why for server, why in wrong.items() if why}

    def close(self) -> None:
        self._servers.close()

    def _results(self, rows: Sequence[Row], key: Address) -> list[str]:
        found: list[str] = []
        for row in rows:
            for value in row:
                result = self._lookup.result.expand(divided(value), key) if value else None
                if result is None:
                    continue
                found.append(result)
                if self._lookup.limit and len(found) > self._lookup.limit:
                    raise self._failure(f"Expansion limit exceeded for key: '{key.whole}'", "expansion_limit")
        return found

    async def _wrong(self, pool: ServerPool[SqlConnection]) -> str:
        """What is wrong with a server; nothing, if it answers."""
        values = self._lookup.statement.expand(_NOBODY) or ()
        try:
            rows = await pool.ask(lambda connection: connection.rows(self._sql, values))
        except StreamFailure as failure:
            return failure.words
        return rows.words if isinstance(rows, QueryError) else ""

    def _tell(self, server: str, failure: StreamFailure) -> None:
        self._sparing.warn((server, failure.words), f"{self._spec}: server {server}: {failure.words}: asking the next")

    def _failure(self, why: str, about: str) -> LookupFailure:
        self._sparing.warn(about, f"{self._spec}: {why}")
        return LookupFailure(self._spec, why)


_NOBODY = divided("gatepost-check@a.a.a.a.a.a.a.gatepost.invalid")
"""Whom a query is tried with: it has every part that a query can ask for."""


def lookup_of(parameters: TableParameters, kind: str) -> Lookup:
    """What the parameters of a table ask for. `kind`: its type. Raises Unavailable."""
    name, text = _query(parameters, kind)
    try:
        statement = parse(text, DIALECTS[kind])
    except BadFormat as problem:
        raise parameters.wrong(name, str(problem)) from None
    return Lookup(statement, format_of(parameters, "result_format", "%s"), parameters.number("expansion_limit", 0))


_PARTS = ("select_field", "table", "where_field")


def _query(parameters: TableParameters, kind: str) -> tuple[str, str]:
    """The query as it is written, or as the older parameters make it, and the parameter to blame for it."""
    text = parameters.text
    if text("query"):
        return "query", text("query")
    if kind == "pgsql" and text("select_function"):
        return "select_function", f"SELECT {text('select_function')}('%s')"
    if not any(map(text, _PARTS)):
        raise Unavailable(parameters.spec, f"{parameters.spec}: query is not set")
    required(parameters, _PARTS)
    field, table, where, more = (text(name) for name in (*_PARTS, "additional_conditions"))
    blamed = next((name for name in (*_PARTS, "additional_conditions") if "%" in text(name)), "where_field")
    return blamed, f"SELECT {field} FROM {table} WHERE {where} = '%s' {more}"
