"""`sql:` as a back end of log-ins, on a file of SQLite; on PostgreSQL and MariaDB: tests/integration/test_sql_users.py."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from tests.support.checker_contract import ATTEMPT, PASSWORD, USER, CheckerContract

from gatepost.auth.backends import stored_password
from gatepost.auth.backends.hashing import Hashing
from gatepost.auth.backends.sql import SqlUsers, table_of
from gatepost.auth.port import Checker
from gatepost.lookup.registry import Tables
from gatepost.proto.sasl.port import Accepted, IsPassword, Refused, Secret, Unavailable, Verdict


def _site(folder: Path, query: str = "SELECT stored FROM users WHERE login = '%s'") -> Path:
    with sqlite3.connect(folder / "users.db") as database:
        database.execute("CREATE TABLE IF NOT EXISTS users (login TEXT, stored TEXT)")
        rows = [
            (USER, "{PLAIN}" + PASSWORD.decode()),
            ("ben", stored_password.hashed(b"ben's")),
            ("clear", "topsecret"),
            ("odd", "{NOSUCH}topsecret"),
            ("twice", "{PLAIN}one"),
            ("twice", "{PLAIN}two"),
            ("null", None),
        ]
        database.executemany("INSERT INTO users VALUES (?, ?)", rows)
    database.close()
    path = folder / "users.cf"
    path.write_text(f"dbpath = {folder}/users.db\nquery = {query}\n")
    return path


def _open(path: Path, log: list[str], hashing: Hashing | None = None) -> SqlUsers:
    tables = Tables(log.append, fold=False, strict=True)
    return SqlUsers(tables.open(table_of(str(path))), hashing or Hashing(), log.append)


def _ask(path: Path, user: str, password: str, log: list[str] | None = None) -> Verdict:
    async def asked() -> Verdict:
        return await _open(path, [] if log is None else log).check(IsPassword(user, Secret(password.encode())), ATTEMPT)

    return asyncio.run(asked())


class TestContract(CheckerContract):
    run = staticmethod(asyncio.run)

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = _site(tmp_path)

    @asynccontextmanager
    async def _over(self, *, there: bool) -> AsyncIterator[Checker]:
        opened = _open(self.path, self.log)
        if not there:
            (self.path.parent / "users.db").rename(self.path.parent / "gone.db")
        yield opened
        if not there:
            (self.path.parent / "gone.db").rename(self.path.parent / "users.db")

    def opened(self) -> AbstractAsyncContextManager[Checker]:
        return self._over(there=True)

    def away(self) -> AbstractAsyncContextManager[Checker]:
        return self._over(there=False)

    def slow(self) -> None:
        return None


def test_hashes(tmp_path: Path) -> None:
    path = _site(tmp_path)
    assert _ask(path, "ben", "ben's") == Accepted("ben")
    assert _ask(path, "ben", "x") == Refused()
    assert _ask(path, "BEN", "ben's") == Refused()


@pytest.mark.parametrize("user", ["clear", "odd"])
def test_what_is_no_hash_is_no_password(tmp_path: Path, user: str) -> None:
    log: list[str] = []
    assert isinstance(_ask(_site(tmp_path), user, "topsecret", log), Unavailable)
    assert any(f"user {user}:" in line for line in log)
    assert "topsecret" not in "".join(log)


@pytest.mark.parametrize("password", ["one", "two", "one,{PLAIN}two", "{PLAIN}one,{PLAIN}two", ""])
def test_two_rows_are_nobody(tmp_path: Path, password: str) -> None:
    assert not isinstance(_ask(_site(tmp_path), "twice", password), Accepted)


def test_an_account_without_a_password(tmp_path: Path) -> None:
    assert _ask(_site(tmp_path), "null", "") == Refused()


def test_an_unknown_user_costs_what_the_last_known_one_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    real = stored_password.verify

    def counted(stored: str, password: bytes) -> bool:
        verified.append(stored)
        return real(stored, password)

    monkeypatch.setattr(stored_password, "verify", counted)

    async def asked() -> None:
        users = _open(_site(tmp_path), [])
        for name in ("nobody", "ben", "nobody"):
            await users.check(IsPassword(name, Secret(b"wrong")), ATTEMPT)

    asyncio.run(asked())
    assert len(verified) == 3
    assert verified[1] == verified[2]


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("dbpath = /x", "sqlite:{}"),
        ("hosts = postgresql://user@db/mail", "pgsql:{}"),
        ("hosts = unix:/var/run/postgresql", "pgsql:{}"),
        ("hosts = unix:/run/mysqld/mysqld.sock", "mysql:{}"),
    ],
)
def test_the_type_of_a_file(tmp_path: Path, text: str, spec: str) -> None:
    path = tmp_path / "users.cf"
    path.write_text(f"{text}\nquery = x\n")
    assert table_of(str(path)) == spec.format(path)
    assert table_of(f"pgsql:{path}") == f"pgsql:{path}"


def test_a_file_that_does_not_show_its_type(tmp_path: Path) -> None:
    path = tmp_path / "users.cf"
    path.write_text("hosts = db.example.com\nquery = x\n")
    with pytest.raises(ValueError, match="write sql:pgsql:"):
        table_of(str(path))
    with pytest.raises(ValueError, match="full pathname"):
        table_of("users.cf")
