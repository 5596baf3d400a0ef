"""What every table that asks a server promises, whatever it speaks: answers, and that a server which cannot answer is never taken
to say "not found", holds up nobody for long, and is asked again by itself once it is well."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from gatepost.lookup import pattern_time
from gatepost.lookup.port import LookupFailure, Table
from gatepost.lookup.registry import Tables
from gatepost.lookup.server_access import ServerAccess
from tests.integration.faulty_way import FAULTS, FaultyWay
from tests.integration.table_servers import ANSWERS, HUGE, SERVERS, TableServer
from tests.support.settings import CONFIGURATION

Play = Callable[[Table], Awaitable[None]]

_QUICK = {"helper_probe_interval": "1s", "helper_lookup_timeout": "1s"}
_PATIENCE = 40.0  # seconds for a whole scenario: what hangs, hangs longer


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[TableServer]:
    one = SERVERS[request.param]()
    yield one
    one.clean()


@pytest.fixture
def way(server: TableServer) -> Iterator[FaultyWay]:
    one = FaultyWay(server.port)
    yield one
    one.stop()


class Asked:
    """Opens tables and plays with them. `warnings`: what they said."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def play(self, spec: str, scenario: Play, **parameters: str) -> None:
        """Open a table within an event loop and close it. `parameters`: of main.cf."""

        async def whole() -> None:
            main = CONFIGURATION.with_settings({**_QUICK, **parameters})
            tables = Tables(self.warnings.append, strict=True, access=ServerAccess(lambda: main))
            try:
                async with asyncio.timeout(_PATIENCE):
                    await scenario(tables.open(spec))
            finally:
                tables.close()
                await asyncio.sleep(0)

        asyncio.run(whole())


@pytest.fixture
def asked() -> Asked:
    return Asked()


async def fails(table: Table, key: str = "anna@example.com") -> None:
    with pytest.raises(LookupFailure):
        await table.lookup(key)


async def recovers(table: Table) -> None:
    """It answers again without being opened anew."""
    while True:
        try:
            assert await table.lookup("anna@example.com") == "anna@store.test"
            return
        except LookupFailure:
            await asyncio.sleep(0.1)


def test_found_and_not_found(server: TableServer, asked: Asked, tmp_path: Path) -> None:
    async def scenario(table: Table) -> None:
        for key, values in ANSWERS.items():
            if server.several or len(values) == 1:
                assert await table.lookup(key) == server.several.join(values), key
        assert await table.lookup("ANNA@example.COM") == (None if server.whole_key else "anna@store.test")
        for key in ("nobody@example.com", "anna@example.net", "anna", "@example.com", "example.com", "k" * 5000):
            assert await table.lookup(key) is None, key
        assert table.whole_key == server.whole_key

    asked.play(server.table(tmp_path, server.port), scenario)
    assert not asked.warnings


HOSTILE = (
    "", "*", "a*", "*@example.com", "anna@example.com)(cn=*", "*)(maildrop=*", "\\2a", "anna@example.com\0", "\udcff@example.com",
    "' OR '1'='1", "'; DROP TABLE aliases; --", "anna@example.com' --", '" OR ""="', "%s", "%u@%d", "%(x)s", "$1", "{0}",
    "a\nb", "a\r\nget b", "get anna@example.com", "anna@example.com anna", " anna@example.com", "anna@example.com ", "\x1b[2J",
    "a" * 2048, "ü" * 1024, "\\", ",", "#",
)  # fmt: skip


def test_no_key_means_more_than_itself(server: TableServer, asked: Asked, tmp_path: Path) -> None:
    """A hostile key finds nothing, fails nothing, and leaves the connection as it was."""

    async def scenario(table: Table) -> None:
        for key in HOSTILE:
            assert await table.lookup(key) in (None, "anna@store.test" if key.strip() == "anna@example.com" else None), key
            assert await table.lookup("anna@example.com") == "anna@store.test", key

    asked.play(server.table(tmp_path, server.port), scenario)
    assert not asked.warnings


def test_domains(server: TableServer, asked: Asked, tmp_path: Path) -> None:
    """With `domain`, bare users, @domain and other domains are not asked about: what is a server that is down to them."""

    async def scenario(table: Table) -> None:
        for key in ("user", "@example.org", "example.com", "@example.com", "anna@example.net", "anna@sub.example.com"):
            assert await table.lookup(key) is None
        await fails(table)

    if server.whole_key:
        return  # has no such parameter
    way = FaultyWay(server.port)
    way.stop()
    asked.play(server.table(tmp_path, way.port, "domain = example.com\n"), scenario)


def test_down_at_the_start(server: TableServer, way: FaultyWay, asked: Asked, tmp_path: Path) -> None:
    async def scenario(table: Table) -> None:
        for _ in range(10):
            await fails(table)
        way.start()
        await recovers(table)

    way.stop()
    asked.play(server.table(tmp_path, way.port), scenario)
    assert any(str(way.port) in line for line in asked.warnings)
    assert any("counts as away" in line for line in asked.warnings)
    assert any("answers again" in line for line in asked.warnings)


@pytest.mark.parametrize("fault", sorted(filter(None, FAULTS)))
def test_a_fault_is_a_failure_and_passes(server: TableServer, way: FaultyWay, asked: Asked, tmp_path: Path, fault: str) -> None:
    """On a connection that was well before, and on new ones."""

    async def scenario(table: Table) -> None:
        await recovers(table)
        way.fault = fault
        for _ in range(3):
            await fails(table)
        way.fault = ""
        await recovers(table)
        assert await table.lookup("nobody@example.com") is None

    asked.play(server.table(tmp_path, way.port), scenario)
    assert asked.warnings


def test_a_restart_of_the_server_costs_nobody_anything(server: TableServer, way: FaultyWay, asked: Asked, tmp_path: Path) -> None:
    async def scenario(table: Table) -> None:
        await asyncio.gather(*(recovers(table) for _ in range(5)))
        way.stop()
        way.start()
        for _ in range(5):
            assert await table.lookup("anna@example.com") == "anna@store.test"

    asked.play(server.table(tmp_path, way.port), scenario)
    assert not asked.warnings


def test_an_answer_that_is_too_large(server: TableServer, asked: Asked, tmp_path: Path) -> None:
    async def scenario(table: Table) -> None:
        await fails(table, HUGE)
        await recovers(table)

    asked.play(server.table(tmp_path, server.port), scenario)


def test_waiting_has_its_bounds(server: TableServer, way: FaultyWay, asked: Asked, tmp_path: Path) -> None:
    """Many sessions ask a server that hangs: few connections, nobody waits long, and the loop goes on meanwhile."""
    turns = 0

    async def ticking() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    async def scenario(table: Table) -> None:
        way.fault = "is silent"
        ticks = asyncio.create_task(ticking())
        await asyncio.gather(*(fails(table, f"{number}@example.com") for number in range(100)))
        ticks.cancel()
        way.fault = ""
        await recovers(table)

    asked.play(server.table(tmp_path, way.port), scenario, helper_connection_limit="4")
    assert way.most <= 2 * 4  # one that was given up may take a moment to end
    assert turns > 10


def test_one_client_leaves_room_for_others(server: TableServer, way: FaultyWay, asked: Asked, tmp_path: Path) -> None:
    """One that asks twenty questions has half of the connections at most; another's is answered before his last."""
    order: list[str] = []

    async def ask(table: Table, client: str) -> None:
        with pattern_time.apart():
            pattern_time.current().client = client
            await table.lookup("anna@example.com")
        order.append(client)

    async def scenario(table: Table) -> None:
        await asyncio.gather(ask(table, "192.0.2.3"), ask(table, "192.0.2.4"))  # to have both connections open
        order.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(ask(table, "192.0.2.1"))
            group.create_task(ask(table, "192.0.2.2"))

    asked.play(server.table(tmp_path, way.port), scenario, helper_connection_limit="2")
    assert len(order) == 21
    assert order.index("192.0.2.2") < 18  # in the order of the questions it would be one of the last two


def test_who_is_gone_leaves_nothing_behind(server: TableServer, way: FaultyWay, asked: Asked, tmp_path: Path) -> None:
    """A session that ends while its question is under way frees its place, and its answer is nobody else's."""

    async def scenario(table: Table) -> None:
        for _ in range(20):
            tasks = [asyncio.create_task(table.lookup("team@example.com")) for _ in range(4)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert await table.lookup("anna@example.com") == "anna@store.test"

    asked.play(server.table(tmp_path, way.port), scenario, helper_connection_limit="2")
    assert not asked.warnings
