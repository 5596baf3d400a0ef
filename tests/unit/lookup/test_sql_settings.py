"""The parameters of tables in PostgreSQL and MySQL: servers in all their forms, option files, logs without passwords."""

from pathlib import Path

import pytest

from gatepost.config.syntax import Setting
from gatepost.lookup import library
from gatepost.lookup.key_format import divided
from gatepost.lookup.mysql_connection import meaning
from gatepost.lookup.mysql_options import option_file
from gatepost.lookup.pgsql_connection import codec_of, failure, has_all, options
from gatepost.lookup.port import Unavailable
from gatepost.lookup.registry import Tables
from gatepost.lookup.server_parameters import TableParameters
from gatepost.lookup.sql_settings import Host, Login, hosts
from gatepost.lookup.sql_table import QueryError, lookup_of
from gatepost.net.stream_port import StreamFailure, Trouble


def parameters(**settings: str) -> TableParameters:
    known = {name: Setting(name, value, "table.cf", line) for line, (name, value) in enumerate(settings.items(), 1)}
    return TableParameters("mysql:x", known.get)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("db.example", Host("db.example", host="db.example")),
        ("db.example:3307", Host("db.example:3307", host="db.example", port=3307)),
        ("inet:db.example", Host("inet:db.example", host="db.example")),
        ("inet:db.example:3307", Host("inet:db.example:3307", host="db.example", port=3307)),
        ("inet:[2001:db8::1]:3307", Host("inet:[2001:db8::1]:3307", host="2001:db8::1", port=3307)),
        ("[2001:db8::1]", Host("[2001:db8::1]", host="2001:db8::1")),
        ("unix:/run/db.sock", Host("unix:/run/db.sock", path="/run/db.sock")),
        ("/run/db.sock", Host("/run/db.sock", path="/run/db.sock")),
        ("postgresql://me:secret@db/x?sslmode=require", Host("postgresql://db", uri="postgresql://me:secret@db/x?sslmode=require")),
    ],
)
def test_hosts(text: str, host: Host) -> None:
    assert hosts(parameters(hosts=f"{text}, other"), "d") == (host, Host("other", host="other"))


def test_hosts_that_are_none() -> None:
    assert hosts(parameters(), "localhost") == (Host("localhost", host="localhost"),)
    for text in ("db:port", "db:0", "db:99999", "inet:db:x"):
        with pytest.raises(Unavailable, match=r"table\.cf, line 1: hosts = .*: no port"):
            hosts(parameters(hosts=text), "localhost")


@pytest.mark.parametrize(
    "text",
    ["postgresql://me:s3cret@db/x nowhere:port", "postgresql://me:s3/cret@db/x", "postgresql://me:s3?cret@db/x", "postgresql://me:s3@cret@db/x",
     "postgresql://db/x?password=s3cret nowhere:port"],
)  # fmt: skip
def test_no_password_of_a_uri_is_told(text: str) -> None:
    with pytest.raises(Unavailable, match=r"line 1: hosts = ") as raised:
        hosts(parameters(hosts=text), "d")
    assert "s3" not in str(raised.value.why) and "cret" not in raised.value.why


def test_the_name_of_a_uri_is_its_server() -> None:
    (host,) = hosts(parameters(hosts="postgresql://me:s3cret@[2001:db8::1]:5433/x?user=a@b&password=s3cret"), "d")
    assert host.name == "postgresql://[2001:db8::1]:5433"


@pytest.mark.parametrize(
    ("host", "told"),
    [
        (Host("x", host="db", port=5433), {"host": "db", "port": "5433"}),
        (Host("x", path="/run/postgresql"), {"host": "/run/postgresql"}),
        (Host("x", path="/run/postgresql/.s.PGSQL.5433"), {"host": "/run/postgresql", "port": "5433"}),
    ],
)
def test_what_libpq_is_told(host: Host, told: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".postgresql").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    who = {"user": "u", "password": "p", "dbname": "d"}
    assert options(host, Login("u", "p", "d")) == {**who, **told}
    assert options(host, Login("", "", "")) == told
    assert options(Host("x", uri="postgresql://u@h/d"), Login("v", "p", "e")) == {}


def test_a_home_that_cannot_be_looked_into_has_no_certificate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else libpq goes on without TLS."""
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    assert "sslcert" in options(Host("x", host="db"), Login("", "", ""))
    assert "sslcert" in options(Host("x", uri="postgresql://db/d?sslmode=require"), Login("", "", ""))
    assert "sslcert" not in options(Host("x", uri="postgresql://db/d?sslcert=/x"), Login("", "", ""))


def test_option_files(tmp_path: Path) -> None:
    file = tmp_path / "my.cnf"
    file.write_text(
        "# x\n!includedir /etc/x\n[mysqld]\nsocket=/wrong\n[client]\nuser = me\npassword = 'a b'\nport=3307\n"
        '[postfix]\nuser="other"\nssl_ca=/ca\nunknown=x\n'
    )
    assert option_file(parameters()) == {}
    client = {"user": "me", "password": "a b", "port": "3307"}
    assert option_file(parameters(option_file=str(file))) == client
    assert option_file(parameters(option_file=str(file), option_group="postfix")) == client | {"user": "other", "ssl-ca": "/ca"}
    with pytest.raises(Unavailable, match="No such file"):
        option_file(parameters(option_file="/no/such"))


@pytest.mark.parametrize(
    ("settings", "sql"),
    [
        ({"query": "SELECT '%s'", "table": "t"}, "SELECT ?"),
        ({"select_function": "look", "table": "t"}, "SELECT look(?)"),
        ({"table": "t", "select_field": "a", "where_field": "b"}, "SELECT a FROM t WHERE b = ?"),
        ({"table": "t", "select_field": "a", "where_field": "b", "additional_conditions": "AND c = '%d'"},
         "SELECT a FROM t WHERE b = ? AND c = ?"),
    ],
)  # fmt: skip
def test_forms_of_a_query(settings: dict[str, str], sql: str) -> None:
    statement = lookup_of(parameters(**settings), "pgsql").statement
    assert statement.sql(lambda number: "?") == sql
    assert statement.expand(divided("a@b"))


def test_what_an_error_of_postgresql_means() -> None:
    for state, trouble in {"57P01": Trouble.CLOSED, "": Trouble.CLOSED, "53300": Trouble.GARBAGE, "57014": Trouble.TIMEOUT}.items():
        found = failure(state, "words")
        assert isinstance(found, StreamFailure)
        assert found.trouble is trouble
    assert failure("42P01", "no table") == QueryError("no table (SQLSTATE 42P01)", "42P01")


def test_what_an_error_of_mysql_means() -> None:
    for number, trouble in {2013: Trouble.CLOSED, 4031: Trouble.CLOSED, 1040: Trouble.GARBAGE, 1969: Trouble.TIMEOUT}.items():
        with pytest.raises(StreamFailure) as raised:
            meaning(Exception(number, "words"))
        assert raised.value.trouble is trouble
    with pytest.raises(StreamFailure):
        meaning(Exception("Packet sequence number wrong"))
    assert meaning(Exception(1146, "no table")) == QueryError("no table (error 1146)", "1146")


@pytest.mark.parametrize("kind", ["mysql", "pgsql"])
def test_a_library_that_is_missing_names_its_remedy(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str) -> None:
        raise ImportError("No module")

    monkeypatch.setattr(library, "import_module", missing)
    table = tmp_path / "x.cf"
    table.write_text("hosts = db\nquery = SELECT '%s'\n")
    with pytest.raises(Unavailable, match=rf"tables of type {kind} are not installed .*pip install 'gatepost\[{kind}\]'"):
        Tables(pytest.fail, strict=True).open(f"{kind}:{table}")


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [("UTF8", None), ("SQL_ASCII", None), ("", None), ("LATIN1", "iso8859-1"), ("WIN1251", "cp1251"), ("EUC_JP", "euc_jp")],
)
def test_letters_of_a_database(encoding: str, codec: str | None) -> None:
    assert codec_of(encoding) == codec
    assert has_all(codec, ("anna", "x"))
    assert has_all(codec, ("\U0001f600",)) is (codec is None)
