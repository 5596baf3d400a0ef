"""Class 6: addresses that would be SQL, commands of memcached and Redis, netstrings and lines of a tcp table. What a sender writes
matches itself and nothing else: nothing else is found, nothing is changed, no server counts as failing, and the next client is
answered as ever."""

import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.key_servers import Memcached, Redis
from tests.integration.line_servers import Socketmap, TcpTable
from tests.integration.sql_servers import PASSWORD, USER, MariaDb, PostgreSql
from tests.support.running import System

_KNOWN = {"anna@example.test": "anna@store.test", "secret@example.test": "secret@store.test"}
_SQL = {key: [value] for key, value in _KNOWN.items()}
_MAIN = {
    "virtual_alias_domains": "example.test",
    "smtpd_recipient_restrictions": "permit_mynetworks, reject",
    "smtpd_reject_unlisted_recipient": "yes",
    "smtpd_hard_error_limit": "1000",
    "smtpd_soft_error_limit": "1000",
    "smtpd_junk_command_limit": "1000",
    "smtputf8_autodetect_classes": "all",
}
_HOSTILE = (
    "'", "''", "' OR '1'='1", "' OR 1=1 -- ", "'; DROP TABLE aliases; --", "'; DELETE FROM aliases; --", "\\' OR 1=1 -- ",
    "\\", "\\\\", "\\'", '"', '" OR ""="', "`", "' UNION SELECT goto FROM aliases -- ", "') OR ('1'='1", "anna' -- ", "anna'/*",
    "*/ OR 1=1", "$$", "$1", "$1) OR (1=1", "?1", ":1", "@@version", "%", "_", "ann%", "ann_", "%s", "%u@%d", "%%", "%(x)s", "{0}",
    "anna\\", "\u00bf'", "\u0127' OR 1=1 -- ", "\u02bc OR 1=1", "\uff07 OR 1=1", "縗' OR 1=1 -- ", "x get secret@example.test",
    "x noreply", "anna@example.test,", "5:x", "9:aliases y,", "%0aget%20secret", "*3", "$5", "FLUSHALL", "flush_all", "ü", "a" * 60,
    "anna anna", " anna", "anna ", "\ufeffanna", "\u200banna", "AN\u017fA",
)  # fmt: skip
_QUERY = "SELECT goto FROM aliases WHERE address = '%s' OR address LIKE '%u@' OR goto = '%d'"


class Asked:
    """A server and how main.cf names the table that asks it. `whole`: whether nothing has been lost there."""

    def __init__(self, server: Any, main: Mapping[str, str], whole: Callable[[], bool]) -> None:
        self.server, self.main, self.whole = server, main, whole
        self.folders: list[Path] = []


def _of_sql(server: Any, kind: str) -> Asked:
    main = {
        "virtual_alias_maps": f"{kind}:users", "users_hosts": f"127.0.0.1:{server.port}", "users_user": USER,
        "users_password": PASSWORD, "users_dbname": "mail", "users_query": _QUERY,
    }  # fmt: skip
    return Asked(server, main, lambda: server.run("SELECT COUNT(*) FROM aliases").strip() == "2")


def _of_sqlite() -> Asked:
    path = Path(tempfile.mkdtemp(prefix="sqlite-")) / "mail.db"  # pytest's own folders are root's alone
    path.parent.chmod(0o755)
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE aliases (address TEXT, goto TEXT)")
        database.executemany("INSERT INTO aliases VALUES (?, ?)", _KNOWN.items())
    main = {"virtual_alias_maps": "sqlite:users", "users_dbpath": str(path), "users_query": _QUERY}
    one = Asked(None, main, lambda: database.execute("SELECT COUNT(*) FROM aliases").fetchone() == (2,))
    one.folders.append(path.parent)
    return one


def _of_keys(server: Any, kind: str) -> Asked:
    main = {"virtual_alias_maps": f"{kind}:users", f"users_{kind}": f"inet:127.0.0.1:{server.port}"}
    get = b"get anna@example.test\r\n" if kind == "memcache" else b"*2\r\n$3\r\nGET\r\n$17\r\nanna@example.test\r\n"
    return Asked(server, main, lambda: server.tell([get])[0].startswith((b"VALUE", b"$15")))


_MADE: dict[str, Callable[[], Asked]] = {
    "memcache": lambda: _of_keys(Memcached(_KNOWN), "memcache"),
    "mysql": lambda: _of_sql(MariaDb(_SQL), "mysql"),
    "pgsql": lambda: _of_sql(PostgreSql(_SQL), "pgsql"),
    "redis": lambda: _of_keys(Redis(_KNOWN), "redis"),
    "socketmap": lambda: _of_line(Socketmap(_KNOWN), "socketmap:inet:127.0.0.1:{}:aliases"),
    "sqlite": _of_sqlite,
    "tcp": lambda: _of_line(TcpTable(_KNOWN), "tcp:127.0.0.1:{}"),
}


def _of_line(server: Any, spec: str) -> Asked:
    return Asked(server, {"virtual_alias_maps": spec.format(server.port)}, lambda: len(server.known) == 2)


@pytest.fixture(scope="module", params=_MADE)
def asked(request: pytest.FixtureRequest) -> Iterator[Asked]:
    one = _MADE[request.param]()
    yield one
    if one.server is not None:
        one.server.clean()
    for folder in one.folders:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def gatepost(asked: Asked) -> Iterator[System]:
    with System({**_MAIN, **asked.main}) as one:
        yield one


def _quoted(local: str) -> bytes:
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"@example.test'.encode()


def test_an_address_matches_itself_and_nothing_else(gatepost: System, asked: Asked) -> None:
    with socket.create_connection(("127.0.0.1", gatepost.port), 60) as connection:
        lines = connection.makefile("rb")

        def say(line: bytes) -> bytes:
            connection.sendall(line + b"\r\n")
            while (reply := lines.readline())[3:4] == b"-":
                pass
            return reply

        lines.readline()
        say(b"EHLO client.example.com")
        for local in _HOSTILE:
            say(b"RSET")
            say(b"MAIL FROM:<a@example.net> SMTPUTF8")
            reply = say(b"RCPT TO:<" + _quoted(local) + b">")
            assert reply[:3] in (b"550", b"554", b"501", b"553"), (local, reply)
        for address in (b'"\xff\xfe"@example.test', b'"a\x01b"@example.test', b"a" * 500 + b"@example.test"):
            say(b"RSET")
            say(b"MAIL FROM:<a@example.net>")
            assert say(b"RCPT TO:<" + address + b">")[:1] == b"5", address
        say(b"RSET")
        say(b"MAIL FROM:<a@example.net>")
        assert say(b"RCPT TO:<anna@example.test>").startswith(b"250")
    assert asked.whole()
    log = gatepost.log()
    for word in ("lookup error", "counts as away", "SQLSTATE", "cannot answer", "Traceback", "panic"):
        assert word not in log, word
