"""sqlite: tables, each over a file of its own: forms of the query, results, hostile keys, and files that cannot be read."""

import asyncio
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.settings import CONFIGURATION

from gatepost.lookup.port import LookupFailure, Table, Unavailable
from gatepost.lookup.registry import Tables
from gatepost.lookup.server_access import ServerAccess

ROWS = [
    ("anna@example.com", "anna@store.test", 1), ("team@example.com", "anna@store.test", 2), ("team@example.com", "berta", 3),
    ("team@example.com", None, None), ("user", "x", 4), ("o'hara@example.com", "ohara@store.test", 5), ("grün@example.com", "ü", 6),
    ("empty@example.com", "", 7), ("odd@example.com", b"\xff", 8),
]  # fmt: skip
QUERY = "query = SELECT goto FROM aliases WHERE address = '%s'"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mail.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE aliases (address TEXT, goto, number INTEGER)")
        database.executemany("INSERT INTO aliases VALUES (?, ?, ?)", ROWS)
    database.close()
    return path


class Asked(list[str | None]):
    """What was found; "failure" where there was no answer. `warnings`: what was said."""

    warnings: list[str]


def ask(file: Path, more: str, *keys: str, main: str = "10s") -> Asked:
    found = Asked()
    found.warnings = []

    async def one(table: Table, key: str) -> str | None:
        try:
            return await table.lookup(key)
        except LookupFailure:
            return "failure"

    async def whole() -> None:
        access = ServerAccess(lambda: CONFIGURATION.with_settings({"helper_lookup_timeout": main}))
        tables = Tables(found.warnings.append, strict=True, access=access)
        table = tables.open(spec(file, more))
        found.extend([await one(table, key) for key in keys])
        tables.close()

    asyncio.run(whole())
    return found


def spec(file: Path, more: str) -> str:
    table = file.with_suffix(".cf")
    table.write_text(f"dbpath = {file}\n{more}\n")
    return f"sqlite:{table}"


TEAM = "team@example.com"


@pytest.mark.parametrize(
    ("more", "keys", "found"),
    [
        (QUERY, (TEAM, "anna@example.com", "user", "nobody", "empty@example.com"), ["anna@store.test,berta", "anna@store.test", "x",
         None, None]),
        (QUERY, ("ANNA@example.COM", "o'hara@example.com", "GRÜN@example.com", "odd@example.com"), ["anna@store.test",
         "ohara@store.test", "ü", "\udcff"]),
        ("table = aliases\nselect_field = goto\nwhere_field = address", (TEAM, "nobody"), ["anna@store.test,berta", None]),
        ("table = aliases\nselect_field = goto\nwhere_field = address\nadditional_conditions = AND number = 2", (TEAM,),
         ["anna@store.test"]),
        ("query = SELECT goto, number FROM aliases WHERE address = '%u@%d' ORDER BY number", (TEAM, "user"),
         ["anna@store.test,berta", None]),
        (f"{QUERY}\nresult_format = %u[%d]", (TEAM, "user"), ["anna[store.test]", None]),
        (f"{QUERY}\nresult_format = %s/%U", (TEAM,), ["anna@store.test/team,berta/team"]),
        (f"{QUERY}\nresult_format = %1", ("user", "anna@example.com"), [None, "com"]),
        (f"{QUERY}\nexpansion_limit = 1", (TEAM, "anna@example.com"), ["failure", "anna@store.test"]),
        (f"{QUERY}\ndomain = example.com", ("user", "anna@example.com", "anna@example.org"), [None, "anna@store.test", None]),
        ('query = SELECT goto FROM aliases WHERE address LIKE "%u@%%"', ("anna@nowhere.test",), ["anna@store.test"]),
        ("query = SELECT 1 FROM nowhere WHERE x = '%s'", (TEAM,), ["failure"]),
        ("query = SELECT no syntax '%s'", (TEAM,), ["failure"]),
        ("query = DELETE FROM aliases WHERE address = '%s'", (TEAM,), ["failure"]),
    ],
)  # fmt: skip
def test_queries(file: Path, more: str, keys: Sequence[str], found: Sequence[str | None]) -> None:
    assert ask(file, more, *keys) == found


HOSTILE = ("' OR '1'='1", "'; DROP TABLE aliases; --", '" OR ""="', "%s", "%u@%d", "?1", ":x", "a\nb", "\\", "x' --", "\x1a")


def test_no_key_means_more_than_itself(file: Path) -> None:
    for query in (QUERY, QUERY.replace("'", '"'), "query = SELECT goto FROM aliases WHERE address LIKE '%u'"):
        keys = [each for key in HOSTILE for each in (key, f"{key}@example.com")]
        found = ask(file, query, *keys, "anna@example.com" if "LIKE" not in query else "o'hara@example.com")
        assert found == [None] * len(keys) + (["anna@store.test"] if "LIKE" not in query else [None])
        assert not found.warnings


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("query = SELECT goto FROM aliases WHERE address = %s", r"mail\.cf, line 2: query = .*: %s outside of quotes"),
        ("query = SELECT '%x'", r"mail\.cf, line 2: query = .*: \"%x\" in"),
        (f"{QUERY}\nresult_format = %x", r"mail\.cf, line 3: result_format"),
        (f"{QUERY}\nexpansion_limit = many", r"mail\.cf, line 3: expansion_limit"),
        ("table = aliases\nselect_field = goto\nwhere_field = address\nadditional_conditions = AND number = %u",
         r"mail\.cf, line 5: additional_conditions = AND number = %u: %u outside of quotes"),
        ("table = aliases\nselect_field = goto", "where_field is not set"),
        ("", "query is not set"),
        (f"{QUERY}\ndbpath = /no/such/file", "open database /no/such/file: No such file or directory"),
        (f"{QUERY}\ndbpath =", "dbpath is not set"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_place(file: Path, more: str, why: str) -> None:
    with pytest.raises(Unavailable, match=why):
        ask(file, more)


def test_a_file_that_is_locked_is_a_failure(file: Path) -> None:
    holding = sqlite3.connect(file, isolation_level=None)
    holding.execute("BEGIN EXCLUSIVE")
    found = ask(file, QUERY, "anna@example.com", main="1s")
    holding.close()
    assert found == ["failure"]
    assert any("locked" in line or "no answer within" in line for line in found.warnings)


def test_a_query_without_end_is_broken_off(file: Path) -> None:
    endless = "query = WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM n) SELECT count(*) FROM n WHERE '%s' = x"
    assert ask(file, endless, "anna@example.com", main="1s") == ["failure"]


@pytest.mark.parametrize(
    "query",
    ["SELECT hex(zeroblob(800000)) WHERE '%s' != ''",
     "WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM n LIMIT 500000) SELECT x FROM n WHERE '%s' != ''"],
)  # fmt: skip
def test_an_answer_that_is_too_large(file: Path, query: str) -> None:
    assert ask(file, f"query = {query}", "anna@example.com") == ["failure"]


def test_what_is_no_database_is_a_failure(file: Path) -> None:
    file.write_bytes(b"no database" * 1000)
    found = ask(file, QUERY, "anna@example.com")
    assert found == ["failure"]
    assert any("not a database" in line for line in found.warnings)


def test_a_pipe_in_the_place_of_the_file_holds_up_nobody_and_passes(file: Path) -> None:
    """Whatever is there while it is asked: it is a failure at once, and over as soon as there is a database again."""
    said: list[str] = []
    kept = file.with_name("kept")

    async def whole() -> None:
        access = ServerAccess(lambda: CONFIGURATION)
        tables = Tables(said.append, strict=True, access=access)
        table = tables.open(spec(file, QUERY))
        os.rename(file, kept)
        others = ((lambda: os.mkfifo(file), file.unlink), (file.mkdir, file.rmdir), (lambda: file.symlink_to(file), file.unlink))
        for put, remove in others:
            put()
            with pytest.raises(LookupFailure):
                await table.lookup("anna@example.com")
            remove()
        os.rename(kept, file)
        assert await table.lookup("anna@example.com") == "anna@store.test"
        tables.close()

    asyncio.run(whole())
    with pytest.raises(Unavailable, match="not a regular file"):
        file.unlink()
        os.mkfifo(file)
        ask(file, QUERY, "anna@example.com")
