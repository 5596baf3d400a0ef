"""Class 7: recipients, senders and names of clients that would be SQL, filters and names of a directory, commands of memcached and
Redis, netstrings and lines of a tcp table. What a client writes matches itself and nothing else: nothing else is found, nothing is
changed, no server counts as failing, and the next client is answered as ever."""

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
from tests.integration.slapd import BASE, Slapd, person
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
    "*", "a*", "an*a", "*)(cn=secret", "anna)(cn=*", "anna)(|(cn=*", "anna)))(cn=secret", "\\2a", "anna\\00", "(", ")", "()",
    "&", "|", "!",
    "anna,dc=x", "cn=anna", "secret,cn=anna", "anna+cn=secret", "#616e6e61", "#", "${x}", "ldap:///??sub?(cn=*)",
    "anna@x", "<", ">",
    ";", "anna;binary", "*ü", "\u2028", "x:caseExactMatch:=y", "anna:=", " ",
    "anna\\", "\u00bf'", "\u0127' OR 1=1 -- ", "\u02bc OR 1=1", "\uff07 OR 1=1", "縗' OR 1=1 -- ", "x get secret@example.test",
    "x noreply", "anna@example.test,", "5:x", "9:aliases y,", "%0aget%20secret", "*3", "$5", "FLUSHALL", "flush_all", "ü", "a" * 60,
    "\U0001f600", "\U0001f600' OR 1=1 -- ", "anna anna", " anna", "anna ", "\ufeffanna", "\u200banna", "AN\u017fA",
)  # fmt: skip
_QUERY = "SELECT goto FROM aliases WHERE address = '%s' OR address LIKE '%u@' OR goto = '%d'"


class Asked:
    """A server and how main.cf names the table that asks it. `whole`: whether nothing has been lost there; `alike`: what it takes
    for `anna` by rules of its own."""

    def __init__(
        self, server: Any, main: Mapping[str, str], whole: Callable[[], bool], alike: frozenset[str] = frozenset()
    ) -> None:
        self.server, self.main, self.whole, self.alike = server, main, whole, alike
        self.folders: list[Path] = []


def _of_sql(server: Any, kind: str) -> Asked:
    main = {
        "virtual_alias_maps": f"{kind}:users", "users_hosts": f"127.0.0.1:{server.port}", "users_user": USER,
        "users_password": PASSWORD, "users_dbname": "mail", "users_query": _QUERY,
    }  # fmt: skip
    return Asked(server, main, lambda: server.run("SELECT COUNT(*) FROM aliases").strip() == "2")


def _of_ldap() -> Asked:
    names = ("anna", "secret")
    server = Slapd([
        person(name, mailacceptinggeneralid=[f"{name}@example.test"], maildrop=[f"{name}@store.test"]) for name in names
    ])  # fmt: skip
    main = {
        "virtual_alias_maps": "ldap:users, ldap:names",
        "users_server_host": server.url,
        "users_search_base": BASE,
        "users_query_filter": "(&(objectClass=mailUser)(mailacceptinggeneralid=%s)(!(cn=secret)))",
        "names_server_host": server.url,
        "names_search_base": f"cn=%u,{BASE}",
        "names_scope": "base",
        "names_query_filter": "(maildrop=*%d)",
    }
    # A directory leaves out blanks around a value, and what is not seen (RFC 4518).
    return Asked(server, main, lambda: True, frozenset((" anna", "anna ", "\ufeffanna", "\u200banna")))


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
    "ldap": _of_ldap,
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
    tables = asked.main["virtual_alias_maps"].split(", ")
    asks = {
        f"smtpd_{part}_restrictions": ", ".join(f"check_{part}_access {table}" for table in tables) for part in ("helo", "sender")
    }
    with System({**_MAIN, **asks, **asked.main}) as one:
        yield one


def _quoted(local: str) -> bytes:
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"@example.test'.encode()


def test_text_matches_itself_and_nothing_else(gatepost: System, asked: Asked) -> None:
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
            assert local in asked.alike or reply[:3] in (b"550", b"554", b"501", b"553"), (local, reply)
        for local in [local for local in _HOSTILE if local not in asked.alike]:
            say(b"HELO " + "".join(local.split()).encode())
            say(b"EHLO client.example.com")
            if say(b"MAIL FROM:<" + _quoted(local) + b"> SMTPUTF8").startswith(b"250"):
                assert say(b"RCPT TO:<anna@example.test>").startswith(b"250"), local
        for address in (b'"\xff\xfe"@example.test', b'"a\x01b"@example.test', b"a" * 500 + b"@example.test"):
            say(b"RSET")
            say(b"MAIL FROM:<a@example.net>")
            assert say(b"RCPT TO:<" + address + b">")[:1] == b"5", address
        say(b"RSET")
        say(b"MAIL FROM:<a@example.net>")
        assert say(b"RCPT TO:<anna@example.test>").startswith(b"250")
    assert asked.whole()
    log = gatepost.log()
    for word in ("lookup error", "Search error", "counts as away", "SQLSTATE", "cannot answer", "Traceback", "panic"):
        assert word not in log, word
