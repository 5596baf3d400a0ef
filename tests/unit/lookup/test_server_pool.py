"""Connections of a library: kept, bounded, given up after a failure; servers in order, and who is away."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.support.driven_loop import run
from tests.support.fake_dns import FakeDns

from gatepost.lookup.server_pool import ServerPool, Servers
from gatepost.net.breaker import Away, Back
from gatepost.net.connect import SocketConnector
from gatepost.net.stream_client import Network
from gatepost.net.stream_port import BreakerRules, Crowd, Reuse, StreamFailure, StreamRules, TimeLimits, Trouble

RULES = StreamRules(
    limits=TimeLimits(turn=10, connect=10, write=10, read=10, whole=10),
    reuse=Reuse(60, 300),
    crowd=Crowd(2, 1, 4),
    breaker=BreakerRules(3, 10),
)


class One:
    """A connection that answers what `behave` says."""

    def __init__(self, behave: "Callable[[], Awaitable[str]]") -> None:
        self.behave = behave
        self.closed = False

    async def ask(self) -> str:
        return await self.behave()

    def close(self) -> None:
        self.closed = True


class Server:
    """One that can be up or not. `opened`: connections so far."""

    def __init__(self, rules: StreamRules = RULES, name: str = "ldap1") -> None:
        loop = asyncio.get_running_loop()
        self.opened: list[One] = []
        self.told: list[Away | Back] = []
        self.up = True
        self.behave: Callable[[], Awaitable[str]] = self.well
        network = Network(SocketConnector(), FakeDns(""), loop.time, asyncio.sleep, lambda: 0.0)
        self.pool = ServerPool(name, self.connect, rules, network, self.told.append, "ldap:users")

    async def well(self) -> str:
        return "answer"

    async def slow(self) -> str:
        await asyncio.sleep(4)
        return "answer"

    async def hangs(self) -> str:
        await asyncio.sleep(1000)
        raise AssertionError

    async def connect(self) -> One:
        if not self.up:
            raise StreamFailure(Trouble.CONNECT, "Connection refused")
        self.opened.append(One(self.behave))
        return self.opened[-1]

    async def ask(self, owner: str = "") -> str:
        return await self.pool.ask(One.ask, owner)


async def trouble(asking: Awaitable[str]) -> Trouble | str:
    try:
        return await asking
    except StreamFailure as failure:
        return failure.trouble


def test_a_connection_is_kept_until_it_is_old() -> None:
    async def play() -> None:
        server = Server()
        for _ in range(3):
            assert await server.ask() == "answer"
        assert len(server.opened) == 1
        await asyncio.sleep(61)  # without use
        await server.ask()
        assert len(server.opened) == 2
        assert server.opened[0].closed
        for _ in range(10):
            await asyncio.sleep(50)
            await server.ask()
        assert len(server.opened) == 3  # 300 s after it was opened
        server.pool.close()
        assert all(one.closed for one in server.opened)

    run(play())


def test_no_more_than_so_many_at_one_time_and_owners_take_turns() -> None:
    async def play() -> None:
        server = Server()
        server.behave = server.slow
        asked = [asyncio.create_task(trouble(server.ask(owner))) for owner in "aaaab"]
        await asyncio.gather(*asked)
        assert len(server.opened) == 2
        # b has its turn beside a's first; of a's others two wait, within 10 s, and one not.
        assert [task.result() for task in asked].count(Trouble.BUSY) == 1
        assert asked[4].result() == "answer"

    run(play())


def test_what_fails_is_not_used_again() -> None:
    async def play() -> None:
        server = Server()
        server.behave = server.hangs
        assert await trouble(server.ask()) is Trouble.TIMEOUT
        assert server.opened[0].closed
        server.behave = server.well
        assert await server.ask() == "answer"
        assert len(server.opened) == 2

    run(play())


def test_a_kept_connection_that_the_server_has_closed_costs_nothing() -> None:
    async def play() -> None:
        server = Server()

        async def gone() -> str:
            raise StreamFailure(Trouble.CLOSED)

        await server.ask()
        server.opened[0].behave = gone
        assert await server.ask() == "answer"
        server.opened[1].closed = True
        assert await server.ask() == "answer"
        assert len(server.opened) == 3
        server.behave = gone  # a new one that closes is a failure
        server.opened[2].closed = True
        assert await trouble(server.ask()) is Trouble.CLOSED

    run(play())


def test_who_is_cancelled_leaves_no_connection_and_no_slot() -> None:
    async def play() -> None:
        server = Server()
        server.behave = server.slow
        tasks = [asyncio.create_task(server.ask()) for _ in range(2)]
        await asyncio.sleep(1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(one.closed for one in server.opened)
        server.behave = server.well
        assert await server.ask() == "answer"

    run(play())


def test_one_that_is_down_counts_as_away_and_comes_back_by_itself() -> None:
    async def play() -> None:
        server = Server()
        server.up = False
        for _ in range(3):
            assert await trouble(server.ask()) is Trouble.CONNECT
        assert await trouble(server.ask()) is Trouble.AWAY
        server.up = True
        await asyncio.sleep(11)
        assert await server.ask() == "answer"
        assert [type(news) for news in server.told] == [Away, Back]

    run(play())


def test_the_first_server_that_answers_is_heard() -> None:
    async def play() -> None:
        first, second = Server(name="first"), Server(name="second")
        servers = Servers([first.pool, second.pool])
        failed: list[str] = []

        async def ask() -> str:
            return await servers.ask(One.ask, "", lambda server, failure: failed.append(server))

        assert await ask() == "answer"
        assert not second.opened
        first.up, first.opened[0].closed = False, True
        for _ in range(10):
            assert await ask() == "answer"
        assert failed == ["first"] * 3  # then it counts as away
        second.up, second.opened[0].closed = False, True
        assert await trouble(ask()) is Trouble.CONNECT
        first.up = True
        await asyncio.sleep(11)
        assert await ask() == "answer"
        servers.close()

    run(play())


def test_no_server() -> None:
    async def play() -> None:
        with pytest.raises(StreamFailure, match="no server"):
            await Servers[One]([]).ask(One.ask)

    run(play())
