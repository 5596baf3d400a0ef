"""docs/sql-tables.md: its files and commands, run in the order in which they stand there, against real servers."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.key_servers import Memcached, Redis
from tests.integration.line_servers import Socketmap, TcpTable
from tests.integration.sql_servers import PASSWORD, USER, MariaDb, PostgreSql
from tests.integration.system import System

_PAGE = Path(__file__).parents[2] / "docs" / "sql-tables.md"
_PRINTS = re.compile(r"^prints `([^`]*)`", re.MULTILINE)
_KNOWN = {"anna@example.com": "anna@store.test"}
_SQL = {key: [value] for key, value in _KNOWN.items()}
_PROCEDURE = "CREATE PROCEDURE look(IN wanted VARCHAR(300)) READS SQL DATA SELECT goto FROM aliases WHERE address = wanted;"


def blocks() -> list[tuple[str, str, str, str]]:
    """(language, type of table, text, what is said up to the next block) of the page's blocks."""
    pieces = _PAGE.read_text().split("```")
    found = []
    for piece, after in zip(pieces[1::2], pieces[2::2], strict=True):
        first, text = piece.split("\n", 1)
        language, kind = [*first.split(), "", ""][:2]
        found.append((language, kind, text, after))
    return found


@pytest.fixture
def servers() -> Iterator[Mapping[str, int]]:
    """Type of table to the port of its server."""
    with ExitStack() as stack:
        made = {
            "pgsql": PostgreSql(_SQL),
            "mysql": MariaDb(_SQL, _PROCEDURE),
            "memcache": Memcached({}),
            "redis": Redis({f"aliases:{key}": value for key, value in _KNOWN.items()}),
            "tcp": TcpTable(_KNOWN),
            "socketmap": Socketmap(_KNOWN),
        }
        for server in made.values():
            stack.callback(server.clean)
        yield {kind: server.port for kind, server in made.items()}


def test_the_page(system: Callable[..., System], servers: Mapping[str, int]) -> None:
    gatepost = system()
    database = gatepost.folder / "mail.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE aliases (address TEXT, goto TEXT)")
        connection.executemany("INSERT INTO aliases VALUES (?, ?)", _KNOWN.items())
    connection.close()

    def fill(kind: str, text: str) -> str:
        here = f"127.0.0.1:{servers.get(kind, 0)}"
        for there, place in {
            "/etc/postfix": str(gatepost.conf),
            "/var/lib/mail/mail.db": str(database),
            "db1.example.com": here,
            "db2.example.com": here,
            "127.0.0.1:11211": here,
            "127.0.0.1:6379": here,
            "127.0.0.1:2527": f"127.0.0.1:{servers['tcp']}",
            "127.0.0.1:2528": f"127.0.0.1:{servers['socketmap']}",
            "user = mail": f"user = {USER}",
            "password = secret": f"password = {PASSWORD}",
        }.items():
            text = text.replace(there, place)
        return text

    run = []
    for language, kind, text, after in blocks():
        if language == "cf":
            (gatepost.conf / f"{kind}-aliases.cf").write_text(fill(kind, text))
        elif language == "main":
            gatepost.change(fill(kind, text))
        elif language == "sh":
            for line in fill(kind, text).splitlines():
                done = gatepost.command(*line.split()[1:])
                assert kind not in done.stderr.replace(str(gatepost.conf), ""), done.stderr
                if " -q " in line:
                    assert done.stdout == f"{_prints(after)}\n", (line, done.stderr)
                run.append((kind, line, done.returncode))
    assert len(run) == 10
    assert all(status == 0 for _, line, status in run if " check" not in line), run


def _prints(after: str) -> str:
    found = _PRINTS.search(after)
    return found[1] if found else "anna@store.test"


def test_what_the_page_says_of_a_letter_outside_of_quotes(system: Callable[..., System]) -> None:
    gatepost = system()
    said = next(text for language, _, text, _ in blocks() if not language and "outside of quotes" in text).strip()
    file = gatepost.conf / "pgsql-aliases.cf"
    file.write_text("hosts = x\nuser = x\npassword = x\ndbname = mail\nquery = SELECT goto FROM aliases WHERE id = %u\n")
    done = gatepost.command("postmap", "-q", "anna@example.com", f"pgsql:{file}")
    assert said.replace("/etc/postfix", str(gatepost.conf)) in done.stderr


def test_the_extras_are_there() -> None:
    import tomllib

    extras = tomllib.loads((_PAGE.parents[1] / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.findall(r"pip install 'gatepost\[(\w+)\]'", _PAGE.read_text())
    assert named == ["pgsql", "mysql"]
    assert set(named) <= extras.keys()
