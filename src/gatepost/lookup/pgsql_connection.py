"""A connection to PostgreSQL: libpq, as psycopg brings it, without blocking in the event loop. One query at a time.

Values go apart from the query's text and are of no declared type, so that the server takes each for what stands there, as it does
with a literal in quotes; results come as the texts that psql(1) would show.
"""

import asyncio
import codecs
import contextlib
import fcntl
import os
import re
import struct
import termios
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from gatepost.lookup.sql_settings import Host, Login
from gatepost.lookup.sql_table import Found, QueryError, Row, SqlConnection
from gatepost.net.stream_port import StreamFailure, Trouble

_AWAY: Final = ("08", "53", "57", "58", "XX")
"""Classes of SQLSTATE that say that this server cannot answer, and another may (PostgreSQL's manual, appendix A)."""
_NO_CERTIFICATE: Final = "/dev/null/none"
"""libpq takes a home that cannot be looked into (root's, of which a worker has only the name) for a broken certificate, and goes on
without TLS."""
_CANCELED: Final = "57014"
_WINDOWS: Final = re.compile(r"^WIN(?=\d)")


class PgsqlConnection:
    """An open one. `pq`: psycopg's module of libpq; `octets`: the most of one answer. To be made in the event loop."""

    def __init__(self, pq: Any, connection: Any, octets: int) -> None:
        self.closed = False
        self._pq, self._connection, self._limit = pq, connection, octets
        self._server = connection.pgconn
        self._server.nonblocking = 1
        self._codec = codec_of((self._server.parameter_status(b"server_encoding") or b"").decode("ascii", "replace"))
        self._loop = asyncio.get_running_loop()
        self._watched = os.dup(self._server.socket)  # libpq may close its own at any time, and the number may then be another's
        self._loop.add_reader(self._watched, self._ready)
        self._answer: asyncio.Future[Found] | None = None
        self._rows: list[Row] = []
        self._failure: StreamFailure | QueryError | None = None
        self._octets = self._kept = 0

    async def rows(self, sql: str, values: Sequence[str]) -> Found:
        """Raises StreamFailure."""
        if self.closed:
            raise StreamFailure(Trouble.CLOSED)
        if not has_all(self._codec, values):
            return ()  # nor is it in any key
        self._rows, self._failure, self._octets, self._kept = [], None, 0, 0
        try:
            self._server.send_query_params(sql.encode(), [value.encode() for value in values])
            self._server.set_single_row_mode()
            while self._server.flush():
                await self._writable()
        except self._pq.error as error:
            raise StreamFailure(Trouble.CLOSED, _words(error)) from None
        self._answer = self._loop.create_future()
        return await self._answer

    def close(self) -> None:
        """End it; who waits for an answer has none."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._watched)
        self._loop.remove_writer(self._watched)
        os.close(self._watched)
        self._server.finish()
        self._end(StreamFailure(Trouble.CLOSED))

    async def _writable(self) -> None:
        room = self._loop.create_future()
        self._loop.add_writer(self._watched, _done, room)
        try:
            await room
        finally:
            if not self.closed:
                self._loop.remove_writer(self._watched)

    def _end(self, answer: Found | StreamFailure) -> None:
        waiting, self._answer = self._answer, None
        if waiting is None or waiting.done():
            return
        if isinstance(answer, StreamFailure):
            waiting.set_exception(answer)
        else:
            waiting.set_result(answer)

    def _ready(self) -> None:
        """Something has come: of the query under way, else it is the end of the connection."""
        if self._answer is None:
            self.close()
            return
        heard = self._octets > 0
        try:
            self._count()
            self._server.consume_input()
            while not self._server.is_busy():
                result = self._server.get_result()
                if result is None:
                    self._end(self._failure or self._rows)
                    return
                self._take(result)
        except self._pq.error as error:
            self._fail(StreamFailure(Trouble.CONNECT if heard else Trouble.CLOSED, _words(error), heard=heard))
        except StreamFailure as failure:
            self._fail(failure)

    def _fail(self, failure: StreamFailure) -> None:
        self._end(failure)
        self.close()

    def _count(self) -> None:
        """What libpq is about to take in: it would gather a message of any length."""
        waiting: int = struct.unpack("i", fcntl.ioctl(self._watched, termios.FIONREAD, b"\0\0\0\0"))[0]
        self._octets += waiting
        if self._octets > self._limit:
            raise StreamFailure(Trouble.OVERLONG, heard=True)

    def _take(self, result: Any) -> None:
        status = result.status
        if status in (self._pq.SINGLE, self._pq.TUPLES):
            columns = range(result.nfields)
            for row in range(result.ntuples):
                self._keep([_text(result.get_value(row, column)) for column in columns])
        elif status == self._pq.FATAL:
            self._failure = self._failure or failure(
                (result.error_field(self._pq.SQLSTATE) or b"").decode("ascii", "replace"),
                (result.error_field(self._pq.PRIMARY) or result.error_message or b"").decode("utf-8", "replace"),
            )
        elif status != self._pq.COMMAND:
            self._failure = self._failure or QueryError("a query that is no question")

    def _keep(self, row: list[str | None]) -> None:
        self._rows.append(row)
        self._kept += sum(len(value) + 1 for value in row if value is not None)
        if self._kept > self._limit:
            raise StreamFailure(Trouble.OVERLONG, heard=True)


def _done(room: "asyncio.Future[None]") -> None:
    if not room.done():
        room.set_result(None)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "surrogateescape")


def failure(state: str, words: str) -> StreamFailure | QueryError:
    """What an error of the server means. `state`: SQLSTATE; empty where the server itself said nothing."""
    if state == _CANCELED:
        return StreamFailure(Trouble.TIMEOUT, words)
    if not state or state.startswith(_AWAY):
        return StreamFailure(Trouble.CLOSED if state in ("", "57P01") else Trouble.GARBAGE, words or Trouble.CLOSED.value)
    return QueryError(f"{words} (SQLSTATE {state})", state)


def codec_of(encoding: str) -> str | None:
    """Python's codec for a database's encoding, where that has not all letters."""
    name = _WINDOWS.sub("cp", encoding)
    with contextlib.suppress(LookupError):
        if (codec := codecs.lookup(name).name) != "utf-8":
            return codec
    return None


def has_all(codec: str | None, values: Sequence[str]) -> bool:
    """Whether a codec has all letters of some values."""
    if codec is None or all(map(str.isascii, values)):
        return True
    try:
        "".join(values).encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def options(host: Host, login: Login) -> Mapping[str, str]:
    """What libpq is told of a server beside its URI. Where that names a user or a database, it holds."""
    found = {"user": login.user, "password": login.secret, "dbname": login.database} if not host.uri else {}
    if host.path:
        folder, _, file = host.path.rpartition("/")
        if file.startswith(".s.PGSQL."):
            found |= {"host": folder, "port": file.removeprefix(".s.PGSQL.")}
        else:
            found["host"] = host.path
    elif host.host:
        found |= {"host": host.host, "port": str(host.port or "")}
    if "sslcert=" not in host.uri and not os.access(os.path.expanduser("~/.postgresql"), os.R_OK | os.X_OK):
        found["sslcert"] = _NO_CERTIFICATE
    return {name: value for name, value in found.items() if value}


def connector(psycopg: Any, pq: Any, host: Host, login: Login, seconds: int, octets: int) -> Callable[[], Awaitable[SqlConnection]]:
    """What opens connections to a server."""
    given = dict(options(host, login))

    async def connect() -> SqlConnection:
        try:
            connection = await psycopg.AsyncConnection.connect(
                host.uri, autocommit=True, client_encoding="UTF8", connect_timeout=max(seconds, 2), **given
            )
        except psycopg.Error as error:
            raise StreamFailure(Trouble.CONNECT, _words(error)) from None
        return PgsqlConnection(pq, connection, octets)

    return connect
