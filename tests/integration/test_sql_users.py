"""`sql:` as a back end of log-ins, on real servers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from gatepost.auth.backends import stored_password
from gatepost.auth.backends.hashing import Hashing
from gatepost.auth.backends.sql import SqlUsers, table_of
from gatepost.auth.port import Checker
from gatepost.lookup.registry import Tables
from tests.integration.sql_servers import PASSWORD as DATABASE_PASSWORD
from tests.integration.sql_servers import USER as DATABASE_USER
from tests.integration.sql_servers import MariaDb, PostgreSql, SqlServer
from tests.support.checker_contract import PASSWORD, USER, CheckerContract
from tests.support.free_ports import free_port

ROWS = {USER: [stored_password.hashed(PASSWORD)], "ben": ["{PLAIN}ben's"]}
GRANT = {"pgsql": "GRANT SELECT ON ALL TABLES IN SCHEMA public TO mail;", "mysql": ""}


@pytest.fixture(scope="module", params=["pgsql", "mysql"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, SqlServer]]:
    make: dict[str, Callable[..., SqlServer]] = {"mysql": MariaDb, "pgsql": PostgreSql}
    one = make[request.param](ROWS, GRANT[request.param])
    yield request.param, one
    one.clean()


class TestContract(CheckerContract):
    run = staticmethod(asyncio.run)

    @pytest.fixture(autouse=True)
    def _site(self, server: tuple[str, SqlServer], tmp_path: Path) -> None:
        self.kind, self.server = server
        self.path = tmp_path / "users.cf"

    @asynccontextmanager
    async def _at(self, port: int) -> AsyncIterator[Checker]:
        self.path.write_text(
            f"hosts = inet:127.0.0.1:{port}\nuser = {DATABASE_USER}\npassword = {DATABASE_PASSWORD}\ndbname = mail\n"
            "query = SELECT goto FROM aliases WHERE address = '%s'\n"
        )
        tables = Tables(self.log.append, fold=False, strict=True)
        yield SqlUsers(tables.open(table_of(f"{self.kind}:{self.path}")), Hashing(), self.log.append)
        tables.close()

    def opened(self) -> AbstractAsyncContextManager[Checker]:
        return self._at(self.server.port)

    def away(self) -> AbstractAsyncContextManager[Checker]:
        return self._at(free_port())

    @asynccontextmanager
    async def _paused(self) -> AsyncIterator[Checker]:
        self.server.pause()
        try:
            async with self._at(self.server.port) as checker:
                yield checker
        finally:
            self.server.pause(False)

    def slow(self) -> AbstractAsyncContextManager[Checker]:
        return self._paused()
