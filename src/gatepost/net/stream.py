"""One connection to a server, and the exchanges over it, one at a time, each within its time limits and bounds.

Failure: StreamFailure, or what the exchange itself raised; either way, and when the asker is cancelled, the connection is closed,
so that nobody finds half an answer of somebody else's on it.
"""

import asyncio
import errno
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gatepost.net.stream_port import AnswerLimit, StreamFailure, TimeLimits, Trouble, system_words
from gatepost.proto.exchange import Exchange, ProtocolError

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")

_GREETING = 65536
"""Octets that a server may say before it is asked anything."""

_LEAVE = 10
"""Seconds for a peer to take the last words."""


class Stream(asyncio.Protocol):
    """A connection. `opened`: time of whoever keeps it, in seconds; `uses`: exchanges so far; `closed`: of no more use."""

    __slots__ = (
        "_armed", "_deadline", "_early", "_exchange", "_failure", "_latest", "_limit", "_lines", "_loop", "_octets", "_paused",
        "_read", "_timer", "_transport", "_waiter", "_whole", "closed", "opened", "uses",
    )  # fmt: skip

    def __init__(self) -> None:
        self.opened = 0.0
        self.uses = 0
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange[Any] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._failure: Exception | None = None
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._armed = self._deadline = self._latest = inf
        self._read = self._whole = 0.0
        self._limit = AnswerLimit()
        self._octets = self._lines = 0
        self._early = b""

    # What is asked of it

    async def run(self, exchange: Exchange[T], limits: TimeLimits, limit: AnswerLimit) -> T:
        """One exchange. Raises StreamFailure."""
        assert self._exchange is None, "one exchange at a time"
        if self._early and self._greeted(exchange):
            return exchange.answer
        if self.closed or self._transport is None:
            raise _closed(heard=False)
        self.uses += 1
        self._exchange, self._limit, self._failure = exchange, limit, None
        self._octets = self._lines = 0
        self._read = limits.read or inf
        self._whole = limits.whole or inf
        now = self._loop.time()
        self._latest = now + self._whole
        exchange.until = now + (limits.renewed or inf)
        try:
            await self._ask(exchange, limits)
        except BaseException:
            self.close()
            raise
        finally:
            self._exchange = None
            self._deadline = inf
        return exchange.answer

    def say(self, octets: bytes) -> None:
        """Something more to the exchange that goes on (requests of a protocol with several at one time), or what has no answer."""
        if self._transport is not None and not self.closed:
            self._transport.write(octets)

    @property
    def stalled(self) -> bool:
        """Whether the peer has not taken what was said before."""
        return self._paused

    async def secure(self, context: "ssl.SSLContext", name: str | None, limit: float) -> None:
        """TLS from here on, after a handshake of at most `limit` seconds. Raises StreamFailure."""
        transport = self._transport
        if self._early:
            self.close()  # it was sent in the clear, by anybody
        if self.closed or transport is None:
            raise _closed(heard=False)
        try:
            async with asyncio.timeout(limit or None):
                secured = await self._loop.start_tls(
                    transport, self, context, server_hostname=name, ssl_handshake_timeout=(limit or 3600) + 60
                )
        except OSError as error:  # ssl.SSLError and TimeoutError among them
            self.close()
            raise StreamFailure(Trouble.TLS, str(error) or system_words(error)) from None
        except BaseException:
            self.close()
            raise
        if secured is None:
            self.close()
            raise _closed(heard=False)
        self._transport = secured

    def rest(self, seconds: float) -> None:
        """Nothing to do for now: close after so many seconds."""
        self._latest = inf
        self._expect(seconds)

    def close(self) -> None:
        """Close at once; what has not been sent is not sent any more."""
        self._stop()
        if self._transport is not None:
            self._transport.abort()

    def leave(self) -> None:
        """Close when what was said last (a word of leave) has gone out, if the peer takes it within ten seconds."""
        self._stop()
        if self._transport is not None:
            self._transport.close()
            self._timer = self._loop.call_later(_LEAVE, self._transport.abort)

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None and not self.uses and len(data) + len(self._early) <= _GREETING:
            self._early += data
            return
        if exchange is None or exchange.done or self._failure is not None:
            self.close()  # an answer to no question; the next one could not be trusted
            return
        self._octets += len(data)
        if self._limit.lines:
            self._lines += data.count(b"\n")
        if self._octets > self._limit.octets or self._lines > (self._limit.lines or inf):
            self._fail(StreamFailure(Trouble.OVERLONG, heard=True))
            return
        try:
            reply = exchange.feed(data)
        except ProtocolError as problem:
            self._fail(StreamFailure(Trouble.GARBAGE, str(problem), heard=True))
        except Exception as fault:  # ours; whoever asks is told of it
            self._fail(fault)
        else:
            if reply:
                self.say(reply)
            if exchange.done:
                self._wake()
                return
            if exchange.renewed:
                exchange.renewed, self._latest = False, min(self._loop.time() + self._whole, exchange.until)
            self._expect(self._read)

    def eof_received(self) -> None:
        exchange = self._exchange
        if exchange is not None and not exchange.done:
            try:
                exchange.ended()
            except ProtocolError as problem:
                self._fail(StreamFailure(Trouble.GARBAGE, str(problem), heard=self._octets > 0))
            if exchange.done:
                self._wake()
        self._lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        self._lost(exc)

    def _lost(self, exc: Exception | None) -> None:
        """Nothing more will come. A peer that has ended its side may still not take our last words, for which the timer stays."""
        self.closed = True
        if self._exchange is not None and not self._exchange.done:
            self._fail(_closed(heard=self._octets > 0, error=exc))

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake()

    # Inside

    def _greeted(self, exchange: Exchange[Any]) -> bool:
        """Give a server's first words, which came before anybody asked, to the exchange that waits for them; the server may be gone
        by now. Whether they are all of its answer. Raises StreamFailure."""
        if not exchange.server_first:
            self.close()
            return False
        early, self._early = self._early, b""
        try:
            reply = exchange.feed(early)
        except ProtocolError as problem:
            self.close()
            raise StreamFailure(Trouble.GARBAGE, str(problem), heard=True) from None
        self.say(reply)
        if exchange.done:
            self.uses += 1
            self.say(b"".join(exchange.question()))
        return exchange.done

    async def _ask(self, exchange: Exchange[Any], limits: TimeLimits) -> None:
        assert self._transport is not None
        for piece in exchange.question():
            if exchange.done or self._failure is not None:
                exchange.reusable = False  # whoever answers before the end still waits for the rest
                break
            self._transport.write(piece)
            while self._paused and not exchange.done and self._failure is None:
                await self._turn(limits.write or inf)
        else:
            if exchange.half_close and not exchange.done and self._transport.can_write_eof():
                self._transport.write_eof()
        while not exchange.done and self._failure is None:
            await self._turn(self._read)
        if self._failure is not None:
            raise self._failure
        exchange.reusable = exchange.reusable and not self._paused

    async def _turn(self, limit: float) -> None:
        """Wait until something has happened, or the time is over."""
        self._expect(limit)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, failure: Exception) -> None:
        self._failure = self._failure or failure
        self._wake()

    def _expect(self, limit: float) -> None:
        """Something is to happen within so many seconds. The timer is moved only where it would ring too late: else it finds out
        when it rings, which costs nothing in the usual case."""
        self._deadline = min(self._loop.time() + limit, self._latest)
        if self._timer is None or self._deadline < self._armed:
            self._arm()

    def _stop(self) -> None:
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._deadline < inf and not self.closed:
            self._armed = self._deadline
            self._timer = self._loop.call_at(self._deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._loop.time() < self._deadline:
            self._arm()
        elif self._exchange is None:
            self.close()
        else:
            self._fail(StreamFailure(Trouble.TIMEOUT, number=errno.ETIMEDOUT, heard=self._octets > 0))


def _closed(*, heard: bool, error: Exception | None = None) -> StreamFailure:
    """`error`: where the connection was not just ended."""
    if isinstance(error, OSError) and error.errno:
        return StreamFailure(Trouble.CLOSED, system_words(error), number=error.errno, heard=heard)
    return StreamFailure(Trouble.CLOSED, heard=heard)
