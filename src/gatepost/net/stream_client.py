"""The client of one stream server, whichever protocol it speaks: connections, kept and bounded; time limits; tries; who is away.

    answer = await client.ask(lambda: Question(...), owner=client_address)      # a question, an answer
    async with client.session(owner) as session:                                # several over one connection of one's own
        await session.ask(Step(...))

Failure: StreamFailure, whatever went wrong with the server, for which the caller has a declared action; never an answer.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from gatepost.net.breaker import Attempt, Breaker, Tell
from gatepost.net.connect import Connector, Endpoint
from gatepost.net.fair_slots import FairSlots
from gatepost.net.port import Resolver
from gatepost.net.server_address import Server, endpoints
from gatepost.net.stream import Stream
from gatepost.net.stream_pool import StreamPool
from gatepost.net.stream_port import UNREACHED, StreamFailure, StreamRules, TimeLimits, Trouble, connect_failure
from gatepost.proto.exchange import Exchange

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")
Make = Callable[[], Exchange[T]]
"""Makes an exchange; called for each try."""
Failed = Callable[[StreamFailure, bool], None]
"""Is told of each try that failed, and whether it was the last."""


class Network(Struct, frozen=True):
    """What a client has from outside.

    `connector`, `resolver`: how servers are found and reached;
    `clock`: seconds that only go forward;
    `sleep`: waits so many seconds;
    `random`: a number from 0 to below 1.
    """

    connector: Connector
    resolver: Resolver
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random: Callable[[], float]


class Handshake(Struct, frozen=True):
    """What comes before the first question on each connection, in this order.

    `upgrade`: the exchange after which TLS begins (STARTTLS), None where it begins at once;
    `context`: of TLS, None for none; `name`: the server's name for it;
    `opening`: a negotiation or a log-in.
    """

    context: "ssl.SSLContext | None" = None
    name: str | None = None
    upgrade: Callable[[], Exchange[Any]] | None = None
    opening: Callable[[], Exchange[Any]] | None = None


_NO_HANDSHAKE = Handshake()


class StreamClient:
    """`source`: what in the configuration names the server, for `tell`."""

    def __init__(
        self, server: Server, rules: StreamRules, network: Network, tell: Tell, source: str, handshake: Handshake = _NO_HANDSHAKE
    ) -> None:
        self.server = server
        self._rules = rules
        self._network = network
        self._handshake = handshake
        self._breaker = Breaker(server.name, source, rules.breaker, network.clock, network.random, tell)
        self._slots = FairSlots(rules.crowd)
        self._pool = StreamPool(rules.reuse, network.clock)

    async def ask(self, make: Make[T], owner: str = "", failed: Failed = lambda failure, last: None) -> T:
        """The answer to a question, in as many tries as the rules allow. `owner`: whom the work is for. Raises StreamFailure."""
        await self._turn(owner)
        try:
            with self._breaker.attempt(owner) as attempt:
                answer = await self._tries(make, attempt, failed)
                attempt.worked()
                return answer
        finally:
            self._slots.give(owner)

    @asynccontextmanager
    async def session(self, owner: str = "") -> AsyncIterator["Session"]:
        """A connection of one's own, for exchanges that belong together; nothing in it is tried twice. Raises StreamFailure."""
        session = await self.begin(owner)
        try:
            yield session
        except BaseException:
            session.stream.close()
            raise
        finally:
            session.end()

    async def begin(self, owner: str = "") -> "Session":
        """The same for whoever keeps it beyond a block, and ends it himself. Raises StreamFailure."""
        await self._turn(owner)
        try:
            with self._breaker.attempt(owner).until_it_lasts() as attempt:
                stream = self._pool.take() or await self._open()
        except BaseException:
            self._slots.give(owner)
            raise
        return Session(stream, self._rules, attempt, lambda session: self._ended(session, owner))

    def _ended(self, session: "Session", owner: str) -> None:
        self._slots.give(owner)
        if session.keep:
            self._pool.give(session.stream)
        elif not session.stream.closed:
            session.stream.leave()

    def close(self) -> None:
        """End the kept connections."""
        self._pool.close()

    async def _turn(self, owner: str) -> None:
        """A slot to use a connection. Whoever would wait for a server that is away is told so at once."""
        self._breaker.check(owner)
        await self._slots.take_in_time(owner, self._rules.limits.turn)

    async def _tries(self, make: Make[T], attempt: Attempt, failed: Failed) -> T:
        """A probe is one try."""
        retry = self._rules.retry
        left = 1 if attempt.probe else retry.tries
        while True:
            left -= 1
            try:
                return await self._once(make)
            except StreamFailure as failure:
                last = left <= 0 or not (retry.unreached or failure.trouble not in UNREACHED)
                failed(failure, last)
                if last:
                    raise
            await self._network.sleep(retry.delay * (1 + retry.jitter * self._network.random()))
            if self._breaker.away and not attempt.probe:
                raise StreamFailure(Trouble.AWAY)  # others have found out meanwhile

    async def _once(self, make: Make[T]) -> T:
        """One try, over a kept connection or a new one. Where a kept one had been closed by the server, which it may at any time, a
        question that can be asked twice goes over a new one, which is still the same try."""
        if (kept := self._pool.take()) is not None:
            exchange = make()
            try:
                return await self._run(kept, exchange)
            except StreamFailure as failure:
                if failure.trouble is not Trouble.CLOSED or failure.heard or not exchange.idempotent:
                    raise
        return await self._run(await self._open(), make())

    async def _run(self, stream: Stream, exchange: Exchange[T]) -> T:
        answer = await stream.run(exchange, self._rules.limits, self._rules.answer)
        if exchange.reusable:
            self._pool.give(stream)
        else:
            stream.close()
        return answer

    async def _open(self) -> Stream:
        """A new connection, its handshakes done."""
        limit = self._rules.limits.connect
        try:
            async with asyncio.timeout(limit or None):
                stream = await self._connect(limit)
                await self._shake_hands(stream, limit)
        except TimeoutError as error:
            raise connect_failure(error) from None
        return stream

    async def _connect(self, limit: float) -> Stream:
        """Each address in turn has an equal share of the time that is left."""
        found = await endpoints(self.server, self._network.resolver)
        loop = asyncio.get_running_loop()
        latest = loop.time() + limit
        failure = StreamFailure(Trouble.CONNECT, "no address")
        for index, endpoint in enumerate(found):
            share = (latest - loop.time()) / (len(found) - index) if limit else 0
            try:
                return await self._connect_to(endpoint, max(share, 0.001) if limit else 0)
            except OSError as error:  # TimeoutError among them
                failure = connect_failure(error)
        raise failure

    async def _connect_to(self, endpoint: Endpoint, limit: float) -> Stream:
        stream = await self._network.connector.connect(Stream, endpoint, limit)
        stream.opened = self._network.clock()
        return stream

    async def _shake_hands(self, stream: Stream, limit: float) -> None:
        handshake = self._handshake
        try:
            if handshake.upgrade is not None:
                await self._first(stream, handshake.upgrade())
            if handshake.context is not None:
                await stream.secure(handshake.context, handshake.name, limit)
            if handshake.opening is not None:
                await self._first(stream, handshake.opening())
        except BaseException:
            stream.close()
            raise
        stream.uses = 0

    async def _first(self, stream: Stream, exchange: Exchange[Any]) -> None:
        """What came behind the answer was sent by nobody who was asked; before TLS, by anybody in between."""
        await stream.run(exchange, self._rules.limits, self._rules.answer)
        if not exchange.reusable:
            raise StreamFailure(Trouble.GARBAGE, "octets behind the answer of a handshake", heard=True)


class Session:
    """Exchanges over one connection. `keep`: set it where the connection is fit for another session. `ended`: told when it is over;
    then the connection is closed or kept."""

    __slots__ = ("_attempt", "_ended", "_rules", "keep", "stream")

    def __init__(self, stream: Stream, rules: StreamRules, attempt: Attempt, ended: Callable[["Session"], None]) -> None:
        self.stream = stream
        self.keep = False
        self._rules = rules
        self._attempt = attempt
        self._ended: Callable[[Session], None] | None = ended

    def tell(self, octets: bytes) -> None:
        """Something that has no answer. A server that takes nothing any more is not told; the connection is closed."""
        if self.stream.stalled:
            self.stream.close()
        else:
            self.stream.say(octets)

    def end(self) -> None:
        """The session is over; once."""
        ended, self._ended = self._ended, None
        if ended is not None:
            self._attempt.leave()
            ended(self)

    async def ask(self, exchange: Exchange[T], limits: TimeLimits | None = None) -> T:
        """The answer. `limits`: where this step has its own. Raises StreamFailure, after which the session is over."""
        try:
            answer = await self.stream.run(exchange, limits or self._rules.limits, self._rules.answer)
        except StreamFailure as failure:
            self._attempt.failed(failure)
            raise
        self._attempt.worked()
        if not exchange.reusable:
            self.stream.close()  # the next answer could not be trusted
        return answer
