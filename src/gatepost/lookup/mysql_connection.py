"""A connection to MySQL or MariaDB: PyMySQL, in a thread, since it waits. One query at a time.

The driver quotes the values (by the character set and the SQL mode of the connection). It would gather an answer of any length, so
that what it reads is counted; who ends the connection from the event loop, ends the socket below it.
"""

import contextlib
import os.path
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from gatepost.lookup.blocking import BlockingCalls, Hangs
from gatepost.lookup.sql_settings import MOST_THREADS, Host, Login
from gatepost.lookup.sql_table import Found, QueryError, Row, SqlConnection
from gatepost.net.stream_port import StreamFailure, Trouble, system_words

_PORT: Final = 3306
_SOCKETS: Final = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock")
"""Where `localhost` is, the first that there is."""
_AWAY: Final = frozenset((1040, 1041, 1077, 1079, 1080, 1129, 1130, 1135, 1152, 1158, 1159, 1160, 1161, 1203, 1226))
"""Errors that say that this server cannot answer, and another may."""
_FAREWELLS: Final = frozenset((1053, 1927, 4031))
"""Errors that come unasked before a server ends a connection: the question behind them was not heard."""
_OUT_OF_TIME: Final = frozenset((1205, 1317, 1969, 3024))
_IN_THE_CLEAR: Final = ("mysql_clear_password", "dialog")
"""Authentication plugins that send the password as it is."""
_OF_THE_CLIENT: Final = range(2000, 3000)
"""The driver's own errors: the connection is lost."""


class Access(Struct, frozen=True):
    """How a server is logged in to and asked.

    `context`: of TLS, None for none;
    `charset`: of the connection;
    `seconds`: the time limit of each step;
    `octets`: the most of one answer;
    `result_set`: whether every query must have one.
    """

    login: Login
    context: ssl.SSLContext | None
    charset: str
    seconds: int
    octets: int
    result_set: bool


class MysqlConnection:
    """An open one. `driver`: PyMySQL's connection; `ending`: shuts its socket."""

    def __init__(self, driver: Any, ending: "_Ending", calls: BlockingCalls, errors: Any, result_set: bool) -> None:
        self.closed = False
        self._driver, self._ending, self._calls = driver, ending, calls
        self._errors, self._result_set = errors, result_set

    def close(self) -> None:
        """End it; a thread that waits for an answer has none."""
        if not self.closed:
            self.closed = True
            self._ending.end()

    async def rows(self, sql: str, values: Sequence[str]) -> Found:
        """Raises StreamFailure."""
        try:
            return await self._calls.run(object(), lambda: self._ask(sql, values))
        except Hangs as hangs:
            raise StreamFailure(Trouble.TIMEOUT, hangs.why) from None

    def _ask(self, sql: str, values: Sequence[str]) -> Found:
        """In a thread."""
        driver = self._driver
        if driver.came:
            raise StreamFailure(Trouble.CLOSED)  # what has come unasked is a farewell
        driver.octets = 0
        if not all(_has(driver.encoding, value) for value in values):
            return ()  # nor is it in any key
        try:
            with contextlib.closing(driver.cursor()) as cursor:
                cursor.execute(sql, values)
                if cursor.description is None:
                    return QueryError("the query has no result set", "none") if self._result_set else ()
                rows = [_texts(row) for row in cursor.fetchall()]
                while cursor.nextset():
                    if cursor.description is not None:
                        return QueryError("the query has more than one result set", "several")
                if driver.came:
                    raise StreamFailure(Trouble.GARBAGE, heard=True)
                return rows
        except StreamFailure:
            raise
        except self._errors.Error as error:
            return meaning(error)
        except UnicodeDecodeError as error:
            self.close()  # there may be more to come
            return QueryError(f"an answer that is not of the connection's character set: {error.reason}", "charset")
        except Exception as error:  # what is no MySQL makes the driver stumble anywhere
            raise StreamFailure(Trouble.GARBAGE, heard=driver.octets > 0) from error


def _texts(row: Sequence[Any]) -> Row:
    return [value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value for value in row]


def meaning(error: Exception) -> QueryError:
    """What an error says of the query. Raises StreamFailure for one of the server."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    words = f"{error.args[1]}" if len(error.args) > 1 else str(error)
    if isinstance(error.__cause__, TimeoutError) or number in _OUT_OF_TIME:
        raise StreamFailure(Trouble.TIMEOUT, words)
    if number in _FAREWELLS or number in _OF_THE_CLIENT:
        raise StreamFailure(Trouble.CLOSED, words)
    if not number or number in _AWAY:
        raise StreamFailure(Trouble.GARBAGE, words)
    return QueryError(f"{words} (error {number})", str(number))


def _has(encoding: str, text: str) -> bool:
    """Whether a character set has all letters of a text."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


class _Ending:
    """What ends a connection from outside: a second descriptor of its socket, which stays the same under TLS."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = False
        self._socket: socket.socket | None = None

    def watch(self, connection: socket.socket) -> None:
        """From now on. Raises ConnectionError where it is to end already."""
        with self._lock:
            if self._ended:
                raise ConnectionAbortedError
            self._socket = connection.dup()

    def end(self) -> None:
        with self._lock:
            self._ended = True
            watched, self._socket = self._socket, None
        if watched is not None:
            with watched, contextlib.suppress(OSError):
                watched.shutdown(socket.SHUT_RDWR)


def connector(library: Any, host: Host, access: Access) -> Callable[[], Awaitable[SqlConnection]]:
    """What opens connections to a server. A server that hangs keeps its own threads only."""
    calls = BlockingCalls(MOST_THREADS, access.seconds)
    counting = _counting(library)

    def open_one(ending: _Ending) -> Any:
        """In a thread."""
        login = access.login
        driver = counting(
            user=login.user.encode() or None,
            password=login.secret.encode(),
            database=login.database or None,
            host=host.host or "localhost",
            charset=access.charset,
            connect_timeout=access.seconds,
            read_timeout=access.seconds,
            write_timeout=access.seconds,
            ssl=access.context,
            ssl_disabled=access.context is None,
            auth_plugin_map={} if access.context or _path(host) else dict.fromkeys(_IN_THE_CLEAR, _refusing(library)),
            conv={},
            autocommit=True,
            defer_connect=True,
        )
        driver.limit = access.octets
        with contextlib.ExitStack() as failing:
            connection = failing.enter_context(_socket(host, access.seconds))
            failing.callback(ending.end)
            ending.watch(connection)
            driver.connect(connection)
            failing.pop_all()
        return driver

    async def connect() -> SqlConnection:
        ending = _Ending()
        try:
            driver = await calls.run(ending, lambda: open_one(ending))
        except BaseException as error:
            ending.end()
            raise _refused(error) from None
        return MysqlConnection(driver, ending, calls, library.err, access.result_set)

    return connect


def _refusing(library: Any) -> type:
    """What answers a server that asks for the password as it is, over a connection that anybody may read."""

    class Refusing:
        def __init__(self, connection: Any) -> None: ...

        def authenticate(self, packet: Any) -> None:
            raise library.err.OperationalError(2059, "the server asks for the password in the clear: use TLS, or another plugin")

    return Refusing


def _refused(error: BaseException) -> BaseException:
    """Why there is no connection."""
    if isinstance(error, Hangs):
        return StreamFailure(Trouble.CONNECT, error.why)
    if isinstance(error, OSError):
        return StreamFailure(Trouble.CONNECT, system_words(error), number=error.errno or 0)
    if isinstance(error, Exception):
        return StreamFailure(Trouble.CONNECT, str(error.args[-1]) if error.args else type(error).__name__)
    return error


def _path(host: Host) -> str:
    """Of its UNIX-domain socket, empty where it has none."""
    if host.host == "localhost":
        return next((path for path in _SOCKETS if os.path.exists(path)), _SOCKETS[0])
    return host.path


def _socket(host: Host, seconds: int) -> socket.socket:
    """Raises OSError."""
    path = _path(host)
    if not path:
        connection = socket.create_connection((host.host, host.port or _PORT), seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(seconds)
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection


def _counting(library: Any) -> Any:
    """The driver's class of connections, with a count of what is read, and without a buffer that nobody can look into."""
    lost = library.constants.CR.CR_SERVER_LOST

    class Counting(library.connections.Connection):  # type: ignore[misc]
        """`octets`: taken since that was last set to 0; `limit`: the most of them; `came`: from the network, and not yet taken."""

        octets = 0
        limit = 0
        came = b""

        def _read_bytes(self, num_bytes: int) -> bytes:
            self.octets += num_bytes
            if self.octets > self.limit:
                self._force_close()
                raise StreamFailure(Trouble.OVERLONG, heard=True)
            parts, missing = [self.came], num_bytes - len(self.came)
            while missing > 0:
                parts.append(self._receive())
                missing -= len(parts[-1])
            octets = b"".join(parts)
            self.came = octets[num_bytes:]
            return octets[:num_bytes]

        def _receive(self) -> bytes:
            try:
                octets: bytes = self._sock.recv(65536)
            except OSError as error:
                self._force_close()
                raise library.err.OperationalError(lost, f"Lost connection: {system_words(error)}") from error
            if not octets:
                self._force_close()
                raise library.err.OperationalError(lost, "Lost connection")
            return octets

    return Counting
