"""pgsql:, mysql: and sqlite: beside Postfix's own postmap(1) on the same databases; servers that die, TLS, logins, procedures."""

import re
import smtplib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.line_servers import Answer, LineServer
from tests.integration.sql_servers import PASSWORD, USER, MariaDb, PostgreSql, SqlServer
from tests.integration.system import System
from tests.integration.test_ldap_tables import ours, theirs
from tests.support.running import wait_for

ALIASES = {
    "anna@example.com": ["anna@store.test"],
    "team@example.com": ["anna@store.test", "berta", "@odd.test", "odd@"],
    "o'hara@example.com": ["ohara@store.test"],
    'say "x"@example.com': ["say@store.test"],
    "back\\slash@example.com": ["backslash@store.test"],
    "100%@example.com": ["percent@store.test"],
    "grün@example.com": ["gruen@store.test"],
    "@example.org": ["everybody@store.test"],
    "user": ["user@store.test"],
    "empty@example.com": [""],
    "example.com": ["domain@store.test"],
    "info@example.test": ["anna@example.test"],
}
_MORE = "INSERT INTO aliases VALUES ('null@example.com', NULL);CREATE TABLE numbers (address VARCHAR(300), id INTEGER, ok BOOLEAN);"
_ROWS = "INSERT INTO numbers VALUES ('anna@example.com', 17, TRUE), ('berta@example.com', 18, FALSE);"
_FUNCTION = {
    "pgsql": "CREATE FUNCTION look(wanted TEXT) RETURNS SETOF TEXT LANGUAGE SQL AS "
    "$$SELECT goto FROM aliases WHERE address = wanted$$;"
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO mail;",
    "mysql": "CREATE PROCEDURE look(IN wanted VARCHAR(300)) READS SQL DATA SELECT goto FROM aliases WHERE address = wanted;"
    "CREATE PROCEDURE nothing(IN wanted VARCHAR(300)) SET @nothing = wanted;",
}
SERVERS: dict[str, Callable[..., SqlServer]] = {"mysql": MariaDb, "pgsql": PostgreSql}
KEYS = (
    *ALIASES, "null@example.com", "ANNA@EXAMPLE.COM", "nobody@example.com", "anna", "anna@", "anna@sub.example.com", "a'b", "\\'",
    "x' OR 'x'='x", "%s", "17",
)  # fmt: skip
LIKE = {"pgsql": "'%%,' || '%s' || ',%%'", "sqlite": "'%%,' || '%s' || ',%%'", "mysql": "CONCAT('%%,', '%s', ',%%')"}
QUERY = "query = SELECT goto FROM aliases WHERE address = '%s'"
CASES = (
    QUERY,
    "query = SELECT goto FROM aliases WHERE address = '%u@%d'",
    "query = SELECT goto FROM aliases WHERE address = '%U@%D' ORDER BY goto",
    "query = SELECT goto FROM aliases WHERE address = '%u@%2.%1' ORDER BY goto",
    "query = SELECT goto, address FROM aliases WHERE address = '%s' ORDER BY goto",
    "query = SELECT '%u', '%d', 'it''s %%'",
    "query = SELECT goto FROM aliases WHERE address LIKE '%u@%%.com' ORDER BY goto",
    "query = SELECT 1 FROM aliases WHERE address = '%s' LIMIT 1;",
    "query = SELECT id, ok FROM numbers WHERE address = '%s'",
    "query = SELECT address FROM numbers WHERE id = '%s'",
    "query = SELECT COUNT(*) FROM aliases WHERE address = '%s'",
    "query = SELECT goto FROM aliases WHERE address = '%s' AND goto <> 'a%%b' -- it is '%%u'",
    "table = aliases\nselect_field = goto\nwhere_field = address",
    "table = aliases\nselect_field = goto\nwhere_field = address\nadditional_conditions = AND goto LIKE '%%@%%' ORDER BY goto",
    f"{QUERY}\ndomain = example.com",
    f"{QUERY}\ndomain = inline:{{example.com=x}}, example.org",
    f"{QUERY}\nexpansion_limit = 1",
    f"{QUERY} ORDER BY goto\nresult_format = <%s>",
    f"{QUERY} ORDER BY goto\nresult_format = %u[%d]",
    f"{QUERY} ORDER BY goto\nresult_format = %S:%U:%D:%%",
    f"{QUERY} ORDER BY goto\nresult_format = %1.%2",
    f"{QUERY} ORDER BY goto\nresult_filter = smtp:%s",
    f"{QUERY}\nresult_format = constant",
)
FAILING = (
    "query = SELECT goto FROM nowhere WHERE address = '%s'",
    "query = SELECT no syntax '%s'",
)


@pytest.fixture(scope="module", params=["mysql", "pgsql", "sqlite"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """(type of the table, lines of its configuration, the same with a wrong way to the database)."""
    kind = request.param
    if kind == "sqlite":
        path = tmp_path_factory.mktemp("sqlite") / "mail.db"
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE aliases (address TEXT, goto TEXT)")
            connection.executemany("INSERT INTO aliases VALUES (?, ?)", [(k, v) for k, vs in ALIASES.items() for v in vs])
            connection.executescript(_MORE + _ROWS)
        connection.close()
        yield kind, f"dbpath = {path}\n", ""
        return
    server = SERVERS[kind](ALIASES, _MORE + _ROWS + _FUNCTION[kind])
    yield kind, _usual(server), ""
    server.clean()


@pytest.fixture(scope="module")
def mysql() -> Iterator[MariaDb]:
    one = MariaDb(ALIASES, _FUNCTION["mysql"])
    yield one
    one.clean()


@pytest.fixture(scope="module")
def pgsql() -> Iterator[PostgreSql]:
    one = PostgreSql(ALIASES, _FUNCTION["pgsql"])
    yield one
    one.clean()


def _usual(server: SqlServer) -> str:
    return f"hosts = 127.0.0.1:{server.port}\nuser = {USER}\npassword = {PASSWORD}\ndbname = mail\n"


def table(folder: Path, kind: str, text: str) -> str:
    path = folder / f"{kind}.cf"
    path.write_text(text)
    return f"{kind}:{path}"


@pytest.mark.parametrize("more", CASES)
def test_as_postfix(database: tuple[str, str, str], tmp_path: Path, more: str) -> None:
    kind, usual, _ = database
    keys = [key for key in KEYS if kind != "pgsql" or key.isascii()]  # Postfix 3.7 takes keys for LATIN1 there
    spec = table(tmp_path, kind, usual + more + "\n")
    assert dict(zip(keys, ours(spec, *keys), strict=True)) == dict(zip(keys, theirs(spec, *keys), strict=True))


@pytest.mark.parametrize("more", FAILING)
def test_failures_as_postfix(database: tuple[str, str, str], tmp_path: Path, more: str) -> None:
    kind, usual, _ = database
    spec = table(tmp_path, kind, usual + more + "\n")
    assert ours(spec, "anna@example.com") == theirs(spec, "anna@example.com") == ["failure"]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("query = CALL look('%s')", ["anna@store.test", None]),
        ("query = CALL nothing('%s')", ["failure", "failure"]),
        ("query = CALL nothing('%s')\nrequire_result_set = no", [None, None]),
        ('query = SELECT goto FROM aliases WHERE address = "%s"', ["anna@store.test", None]),
        (QUERY + "\ncharset = latin1", ["anna@store.test", None]),
    ],
)
def test_of_mysql(mysql: MariaDb, tmp_path: Path, more: str, found: list[str | None]) -> None:
    spec = table(tmp_path, "mysql", f"{_usual(mysql)}{more}\n")
    assert ours(spec, "anna@example.com", "nobody@example.com") == found
    if "charset" not in more:
        assert theirs(spec, "anna@example.com", "nobody@example.com") == found


@pytest.mark.parametrize("more", ["select_function = look", "query = SELECT look('%s')", "query = SELECT * FROM look('%s')"])
def test_of_pgsql(pgsql: PostgreSql, tmp_path: Path, more: str) -> None:
    spec = table(tmp_path, "pgsql", f"{_usual(pgsql)}{more}\n")
    for ask in (ours, theirs):
        assert ask(spec, "team@example.com", "nobody@example.com") == ["anna@store.test,berta,@odd.test,odd@", None]


MYSQL_WAYS = {
    "an address": "hosts = 127.0.0.1:{port}",
    "inet": "hosts = inet:127.0.0.1:{port}",
    "a UNIX-domain socket": "hosts = unix:{folder}/socket",
    "one of several": "hosts = 127.0.0.1:1 unix:/no/such 127.0.0.1:{port}",
    "an option file": "hosts = 127.0.0.1:{port}\noption_file = {cnf}\nuser =\npassword =",
    "a group of an option file": "hosts = 127.0.0.1:{port}\noption_file = {cnf}\noption_group = mail\nuser =\npassword =",
}
MYSQL_TLS = {
    "TLS": "hosts = 127.0.0.1:{port}\ntls_CAfile = {ca}\ntls_verify_cert = yes",
    "TLS, without the name": "hosts = 127.0.0.1:{port}\ntls_CAfile = {ca}",
}
MYSQL_NO_WAYS = {
    "no server": "hosts = 127.0.0.1:1 unix:/no/such",
    "a wrong password": "hosts = 127.0.0.1:{port}\npassword = wrong",
    "no such database": "hosts = 127.0.0.1:{port}\ndbname = nowhere",
}
MYSQL_NO_TLS = {
    "an authority that nobody knows": "hosts = 127.0.0.1:{port}\ntls_verify_cert = yes",
}


def mysql_way(folder: Path, server: MariaDb, text: str) -> str:
    cnf = folder / "my.cnf"
    cnf.write_text(f"[client]\nuser={USER}\npassword={PASSWORD}\n[mail]\nuser={USER}\n")
    usual = dict(re.findall(r"(\w+) *= *(.*)", f"{_usual(server)}{QUERY}"))
    given = dict(re.findall(r"(\w+) *= *(.*)", text.format(port=server.port, folder=server.folder, cnf=cnf, ca=server.authority)))
    return table(folder, "mysql", "".join(f"{name} = {value}\n" for name, value in (usual | given).items()))


@pytest.mark.parametrize("name", [*MYSQL_WAYS, *MYSQL_TLS])
def test_ways_to_mysql(mysql: MariaDb, tmp_path: Path, name: str) -> None:
    spec = mysql_way(tmp_path, mysql, {**MYSQL_WAYS, **MYSQL_TLS}[name])
    for ask in (
        (ours, theirs) if name in MYSQL_WAYS and "option" not in name else (ours,)
    ):  # Postfix takes no password of such files
        assert ask(spec, "anna@example.com", "nobody@example.com") == ["anna@store.test", None]


@pytest.mark.parametrize("name", [*MYSQL_NO_WAYS, *MYSQL_NO_TLS])
def test_no_way_to_mysql(mysql: MariaDb, tmp_path: Path, name: str) -> None:
    spec = mysql_way(tmp_path, mysql, {**MYSQL_NO_WAYS, **MYSQL_NO_TLS}[name])
    for ask in (ours, theirs) if name in MYSQL_NO_WAYS else (ours,):
        assert ask(spec, "anna@example.com") == ["failure"]


def test_a_server_of_mysql_without_tls_is_not_talked_to_in_the_clear(tmp_path: Path) -> None:
    """Not even the password."""
    server = MariaDb(ALIASES, tls=False)
    try:
        spec = mysql_way(tmp_path, server, "hosts = 127.0.0.1:{port}\ntls_CAfile = {ca}")
        assert ours(spec, "anna@example.com") == ["failure"]
        spec = mysql_way(tmp_path, server, "hosts = 127.0.0.1:{port}")
        assert ours(spec, "anna@example.com") == ["anna@store.test"]
    finally:
        server.clean()


@pytest.mark.parametrize("charset", ["latin1", "gbk", "big5", "sjis", "ascii", "utf8mb4"])
def test_letters_that_a_character_set_has_not_are_in_no_key(mysql: MariaDb, tmp_path: Path, charset: str) -> None:
    """A sender who writes them is not found, and shuts the server out for nobody."""
    spec = table(tmp_path, "mysql", f"{_usual(mysql)}{QUERY}\ncharset = {charset}\n")
    keys = ("\U0001f600@example.com", "ü中縗' OR 1=1 -- @example.com", "\u0127\\' OR 1=1 -- ") * 3
    assert ours(spec, *keys, "anna@example.com") == [None] * 9 + ["anna@store.test"]


@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES,ANSI_QUOTES"])
def test_no_key_is_sql_whatever_the_mode_of_the_server(mysql: MariaDb, tmp_path: Path, mode: str) -> None:
    mysql.run(f"SET GLOBAL sql_mode='{mode}'")
    hostile = ("\\' OR 1=1 -- ", "' OR 1=1 -- ", " OR 1=1 -- ", "\\\\' OR 1=1 #", '" OR 1=1 -- ', "\\")
    try:
        for condition in ("address = '%s'", 'address = "%s"', r"address = '\'' OR '' = '%s'", r"address LIKE'%s' ESCAPE '\\'"):
            spec = table(tmp_path, "mysql", f"{_usual(mysql)}query = SELECT goto FROM aliases WHERE {condition}\n")
            assert not any("store" in str(found) for found in ours(spec, *hostile)), condition
        assert ours(table(tmp_path, "mysql", f"{_usual(mysql)}{QUERY}\n"), "anna@example.com") == ["anna@store.test"]
    finally:
        mysql.run("SET GLOBAL sql_mode=DEFAULT")


class GreedyServer(LineServer):
    """It speaks MySQL as far as to ask for the password as it is."""

    plugin = b"mysql_clear_password"
    greeting = (
        b"\x0a8.0.30\0" + b"\1\0\0\0" + b"12345678\0" + b"\xff\xf7" + b"\x21" + b"\2\0" + b"\x0f\x80" + b"\x15" + b"\0" * 10
        + b"123456789012\0" + b"mysql_native_password\0"
    )  # fmt: skip

    def greet(self) -> bytes:
        return len(self.greeting).to_bytes(3, "little") + b"\0" + self.greeting

    def say(self, octets: bytes) -> Answer:
        self.asked.append(octets)
        asking = b"\xfe" + self.plugin + b"\0" + b"\4Password: " * (self.plugin == b"dialog")
        return len(asking).to_bytes(3, "little") + bytes([octets[3] + 1]) + asking


@pytest.mark.parametrize("plugin", [b"mysql_clear_password", b"dialog"])
def test_no_server_gets_the_password_as_it_is_without_tls(tmp_path: Path, plugin: bytes) -> None:
    server = GreedyServer({})
    server.plugin = plugin
    try:
        spec = table(tmp_path, "mysql", f"hosts = 127.0.0.1:{server.port}\nuser = mail\npassword = s3cret\n{QUERY}\n")
        warnings: list[str] = []
        assert ours(spec, "anna@example.com", warnings=warnings) == ["failure"]
        assert server.asked and b"s3cret" not in b"".join(server.asked)
        assert any("in the clear" in line for line in warnings)
    finally:
        server.clean()


PGSQL_WAYS = {
    "an address": "hosts = 127.0.0.1:{port}",
    "inet": "hosts = inet:127.0.0.1:{port}",
    "a UNIX-domain socket": "hosts = unix:{folder}/.s.PGSQL.{port}",
    "one of several": "hosts = 127.0.0.1:1 unix:/no/such 127.0.0.1:{port}",
    "a URI": "hosts = postgresql://{user}:{secret}@127.0.0.1:{port}/mail\nuser = nobody",
    "TLS": "hosts = postgresql://{user}:{secret}@127.0.0.1:{port}/mail?sslmode=verify-full&sslrootcert={ca}",
}
PGSQL_NO_WAYS = {
    "no server": "hosts = 127.0.0.1:1 unix:/no/such",
    "a wrong password": "hosts = 127.0.0.1:{port}\npassword = wrong",
    "no such database": "hosts = 127.0.0.1:{port}\ndbname = nowhere",
    "another name than the certificate's": "hosts = postgresql://{user}:{secret}@localhost:{port}/mail?sslmode=verify-full"
    "&sslrootcert={ca}",
    "no URI": "hosts = postgresql://127.0.0.1:{port}/mail?nonsense=1",
}


def pgsql_way(folder: Path, server: PostgreSql, text: str) -> str:
    from urllib.parse import quote

    usual = dict(re.findall(r"(\w+) *= *(.*)", f"{_usual(server)}{QUERY}"))
    place = {"port": server.port, "folder": server.folder, "ca": server.authority, "user": USER, "secret": quote(PASSWORD, safe="")}
    given = dict(re.findall(r"^(\w+) *= *(.*)", text.format(**place), re.MULTILINE))
    return table(folder, "pgsql", "".join(f"{name} = {value}\n" for name, value in (usual | given).items()))


@pytest.mark.parametrize("name", PGSQL_WAYS)
def test_ways_to_pgsql(pgsql: PostgreSql, tmp_path: Path, name: str) -> None:
    spec = pgsql_way(tmp_path, pgsql, PGSQL_WAYS[name])
    for ask in (ours,) if "socket" in name else (ours, theirs):  # libpq looks for the usual port in a directory
        assert ask(spec, "anna@example.com", "nobody@example.com") == ["anna@store.test", None]


@pytest.mark.parametrize("name", PGSQL_NO_WAYS)
def test_no_way_to_pgsql(pgsql: PostgreSql, tmp_path: Path, name: str) -> None:
    spec = pgsql_way(tmp_path, pgsql, PGSQL_NO_WAYS[name])
    warnings: list[str] = []
    assert ours(spec, "anna@example.com", warnings=warnings) == ["failure"]
    assert theirs(spec, "anna@example.com") == ["failure"]
    assert not any(PASSWORD in line or "secret" in line for line in warnings)


def test_a_query_that_the_server_refuses_leaves_the_connection(pgsql: PostgreSql, tmp_path: Path) -> None:
    """A sender whose address a query cannot take makes no new connections, and does not shut out others."""
    spec = table(tmp_path, "pgsql", _usual(pgsql) + "query = SELECT goto FROM aliases WHERE LENGTH(address) = '%u'\n")
    before = pgsql.log().count("connection authorized")
    found = ours(spec, *(["x@example.com"] * 20), "11@example.com")
    assert found == ["failure"] * 20 + ["domain@store.test"]
    assert pgsql.log().count("connection authorized") <= before + 1


@pytest.mark.parametrize(
    "query",
    ["SELECT goto FROM aliases WHERE address LIKE'%s'", r"SELECT goto FROM aliases WHERE address = '%s' AND E'it\'s' <> '%u'"],
)
def test_forms_of_literals_in_pgsql(pgsql: PostgreSql, tmp_path: Path, query: str) -> None:
    for setting in ("on", "off"):
        pgsql.run(f"ALTER DATABASE mail SET standard_conforming_strings = {setting}")
        found = ours(table(tmp_path, "pgsql", f"{_usual(pgsql)}query = {query}\n"), "anna@example.com", "\\' OR 1=1 -- @x")
        assert found == ["anna@store.test", None]


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1251", "EUC_JP"])
def test_letters_that_a_database_has_not_are_in_no_key(pgsql: PostgreSql, tmp_path: Path, encoding: str) -> None:
    pgsql.run(f"CREATE DATABASE {encoding} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    spec = table(tmp_path, "pgsql", f"{_usual(pgsql)}query = SELECT 'found' WHERE '%s' <> ''\ndbname = {encoding.lower()}\n")
    assert ours(spec, "\U0001f600@example.com", "\u0e01", "anna") == [None, None, "found"]


def test_what_a_sender_makes_a_server_say_is_told_once(pgsql: PostgreSql, tmp_path: Path) -> None:
    """Its words have his in them."""
    spec = table(tmp_path, "pgsql", _usual(pgsql) + "query = SELECT goto FROM aliases WHERE LENGTH(address) = '%u'\n")
    warnings: list[str] = []
    assert ours(spec, *(f"word{number}@example.com" for number in range(20)), warnings=warnings) == ["failure"] * 20
    assert sum("invalid input syntax" in line for line in warnings) == 1


MAIN = """\
virtual_mailbox_maps = static:box/
virtual_alias_maps = {proxy}{kind}:users
users_hosts = {hosts}
users_user = {user}
users_password = {password}
users_dbname = mail
users_query = SELECT goto FROM aliases WHERE address = '%s'
helper_probe_interval = 1s
helper_lookup_timeout = 2s
"""


def reply(gatepost: System, recipient: str) -> int:
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=60) as client:
        client.ehlo("client.example.com")
        client.mail("a@example.net")
        return client.rcpt(recipient)[0]


@pytest.fixture(params=["mysql", "pgsql"])
def two(request: pytest.FixtureRequest) -> Iterator[tuple[str, SqlServer, SqlServer]]:
    one, other = SERVERS[request.param](ALIASES), SERVERS[request.param](ALIASES)
    yield request.param, one, other
    one.clean()
    other.clean()


def test_aliases_of_a_running_gatepost(system: Callable[..., System], two: tuple[str, SqlServer, SqlServer]) -> None:
    """Two servers: one is killed in mid-run, then the other hangs, then both come back; no mail is lost."""
    kind, one, other = two
    hosts = f"127.0.0.1:{one.port} 127.0.0.1:{other.port}"
    gatepost = system(MAIN.format(kind=kind, proxy="proxy:", hosts=hosts, user=USER, password=PASSWORD)).start()

    def mail(number: int) -> None:
        gatepost.send(f"Subject: number {number}.\r\n\r\nx\r\n", to="info@example.test")
        assert b"X-Original-To: info@example.test" in gatepost.arrival(f"Subject: number {number}.".encode())

    mail(1)
    assert "could not accept SSL connection" not in one.log() + other.log()
    one.stop()
    for number in range(2, 6):
        mail(number)
    other.pause()
    assert reply(gatepost, "info@example.test") == 451
    other.pause(False)
    wait_for(lambda: reply(gatepost, "info@example.test") == 250, "an answer of the one that hung")
    other.stop()
    assert reply(gatepost, "info@example.test") == 451
    one.start()
    other.start()
    wait_for(lambda: reply(gatepost, "info@example.test") == 250, "an answer again")
    mail(6)
    log = gatepost.log()
    assert "status=bounced" not in log
    assert f"{kind}:users lookup error for" in log
    assert PASSWORD not in log
    assert "Traceback" not in log
