"""Connections of a library to one server: kept, bounded, fairly shared; who is away is asked now and then only. And several such
servers, of which the first that answers is heard.

For protocols of our own there is net/stream_client.py, with the same rules.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar

from gatepost.lookup.opening import Opening
from gatepost.net.breaker import Breaker, Tell
from gatepost.net.fair_slots import FairSlots
from gatepost.net.stream_client import Network
from gatepost.net.stream_port import NOT_ASKED, StreamFailure, StreamRules, Trouble


class Connection(Protocol):
    """What a library has open."""

    @property
    def closed(self) -> bool:
        """Whether it is known to be of no more use."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Connection)
T = TypeVar("T")
Connect = Callable[[], Awaitable[C]]
Question = Callable[[C], Awaitable[T]]
"""Asks over a connection. Raises StreamFailure, of trouble CLOSED where the server had ended the connection before it was asked."""


class _Kept(Generic[C]):
    __slots__ = ("connection", "opened", "used")

    def __init__(self, connection: C, now: float) -> None:
        self.connection, self.opened, self.used = connection, now, now


class ServerPool(Generic[C]):
    """`server`: its name for logs; `connect`: opens a connection, else raises StreamFailure; `source`: what in the configuration
    names the server, for `tell`."""

    def __init__(
        self,
        server: str,
        connect: Connect[C],
        rules: StreamRules,
        network: Network,
        tell: Tell,
        source: str,
    ) -> None:
        self.server = server
        self._connect = connect
        self._rules = rules
        self._clock = network.clock
        self._breaker = Breaker(server, source, rules.breaker, network.clock, network.random, tell)
        self._slots = FairSlots(rules.crowd)
        self._idle: list[_Kept[C]] = []

    async def ask(self, question: Question[C, T], owner: str = "") -> T:
        """The answer, within the time limit. `owner`: whom the work is for. Raises StreamFailure, and what `question` raises."""
        self._breaker.check(owner)  # whoever would wait for a server that is away is told so at once
        await self._slots.take_in_time(owner, self._rules.limits.turn)
        try:
            with self._breaker.attempt(owner) as attempt:
                answer = await self._in_time(question)
                attempt.worked()
                return answer
        finally:
            self._slots.give(owner)

    def close(self) -> None:
        """End the kept connections."""
        while self._idle:
            self._idle.pop().connection.close()

    async def _in_time(self, question: Question[C, T]) -> T:
        try:
            async with asyncio.timeout(self._rules.limits.whole or None):
                return await self._answer(question)
        except TimeoutError:
            raise StreamFailure(Trouble.TIMEOUT) from None

    async def _answer(self, question: Question[C, T]) -> T:
        """A server may have closed a kept connection, as when it was restarted: such a question is asked again over a new one."""
        kept = self._take()
        if kept is not None:
            try:
                return await self._over(kept, question)
            except StreamFailure as failure:
                if failure.trouble is not Trouble.CLOSED:
                    raise
                self.close()  # the others are as old
        return await self._over(_Kept(await self._connect(), self._clock()), question)

    async def _over(self, kept: _Kept[C], question: Question[C, T]) -> T:
        try:
            answer = await question(kept.connection)
        except BaseException:  # nobody knows what is still to come over it
            kept.connection.close()
            raise
        self._give(kept)
        return answer

    def _take(self) -> _Kept[C] | None:
        """A connection that seems good: the latest used, so that surplus ones run out of time."""
        while self._idle:
            kept = self._idle.pop()
            if self._fit(kept):
                return kept
            kept.connection.close()
        return None

    def _give(self, kept: _Kept[C]) -> None:
        kept.used = self._clock()
        while self._idle and not self._fit(self._idle[0]):
            self._idle.pop(0).connection.close()
        if self._fit(kept):
            self._idle.append(kept)
        else:
            kept.connection.close()

    def _fit(self, kept: _Kept[C]) -> bool:
        now, reuse = self._clock(), self._rules.reuse
        return not kept.connection.closed and now - kept.used < reuse.idle and now - kept.opened < reuse.age


def pool_of(opening: Opening, server: str, connect: Connect[C], rules: StreamRules) -> ServerPool[C]:
    """The pool of a server of a table, whose log hears of it."""
    return ServerPool(server, connect, rules, opening.tables.access.network, lambda news: opening.warn(str(news)), opening.spec)


def shared_pool(
    opening: Opening, settings: Hashable, server: str, connector: Callable[[], Connect[C]], rules: StreamRules
) -> ServerPool[C]:
    """The same, which a table has in common with others of these `settings` (ServerAccess.pool). `connector`: makes what opens
    connections, for the first of them."""
    return opening.tables.access.pool(settings, lambda: pool_of(opening, server, connector(), rules))


class Servers(Generic[C]):
    """Servers that have the same to say. `order`: those to ask, first to last."""

    def __init__(
        self,
        pools: Sequence[ServerPool[C]],
        order: Callable[[Sequence[ServerPool[C]]], Sequence[ServerPool[C]]] = lambda pools: pools,
    ) -> None:
        self.pools = pools
        self._order = order

    async def ask(self, question: Question[C, T], owner: str = "", failed: Callable[[str, StreamFailure], None] | None = None) -> T:
        """The answer of the first that has one. `failed` is told of each that was asked in vain while there is another. Raises
        StreamFailure, the last that says something of a server, whose name it has."""
        worst: StreamFailure | None = None
        order = self._order(self.pools)
        for pool in order:
            try:
                return await pool.ask(question, owner)
            except StreamFailure as failure:
                if failed is not None and failure.trouble not in NOT_ASKED and pool is not order[-1]:
                    failed(pool.server, failure)
                if worst is None or failure.trouble not in NOT_ASKED:
                    worst = StreamFailure(failure.trouble, f"server {pool.server}: {failure.words}", heard=failure.heard)
        raise worst or StreamFailure(Trouble.CONNECT, "no server")

    def close(self) -> None:
        """End the kept connections."""
        for pool in self.pools:
            pool.close()
