"""One connection to an SMTP or LMTP server: the sans-IO client on an asyncio transport, with one timer.

Contract: `greeted`, `run`, `authenticated` and `leave` are asked one after the other, never two at once.
Failure: Broken, after which the connection is closed.
"""

import asyncio
import enum
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gatepost.deliver.plan import Host
from gatepost.deliver.tls_level import Level
from gatepost.proto.smtp.client import Client, ClientEvent, ClientStage, Transaction
from gatepost.proto.smtp.reply_reader import MalformedReply

if TYPE_CHECKING:
    import ssl


_PATIENCE = 10
"""How many times a limit a reply may take that comes bit by bit."""


_DOT = b".\r\n"


class Trouble(enum.Enum):
    """How a conversation can break off."""

    LOST = "lost connection"
    TIMEOUT = "timed out"
    GARBAGE = "protocol error"
    LOCAL = "local data error"


class Broken(Exception):
    """The conversation broke off at `stage`. `fresh`: the server had not said a word since the transaction began, so that
    a kept connection may simply have been closed at the other end."""

    def __init__(self, trouble: Trouble, stage: ClientStage, words: str = "", *, fresh: bool = False) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble
        self.stage = stage
        self.words = words
        self.fresh = fresh


class Connection(asyncio.Protocol):
    """`limits`: seconds to wait, by ClientStage. `host`: where it leads to; `site`: the destination it was found for, as written
    (empty: its name); `final`: no other host was left to try when it was opened.
    `min_rate`: a limit is for a whole reply, and content is to go out at so many octets a second (smtp_per_request_deadline,
    smtp_min_data_rate); 0: it is for any octet, up to `_PATIENCE` times.
    `uses`: transactions so far; `opened`: loop time of the connection; `level`: of the TLS that it has; `logged_in`: by AUTH;
    `dot_delay`: seconds to wait, once all else of a content is on its way, before its end (smtp_pix_workaround_delay_time)."""

    __slots__ = (
        "_armed", "_deadline", "_fresh", "_latest", "_limits", "_loop", "_min_rate", "_paused", "_pieces", "_timer", "_transport",
        "_untold", "_waiter", "_written", "client", "closed", "dot_delay", "final", "host", "level", "logged_in",
        "opened", "site", "uses",
    )  # fmt: skip

    def __init__(
        self,
        client: Client,
        limits: tuple[float, ...],
        loop: asyncio.AbstractEventLoop,
        host: Host,
        *,
        final: bool,
        site: str = "",
        min_rate: int = 0,
    ) -> None:
        self.client = client
        self.host = host
        self.site = site or host.name
        self.final = final
        self.closed = False
        self.uses = 0
        self.opened = loop.time()
        self.level = Level.NONE
        self.logged_in = False
        self.dot_delay = 0.0
        self._limits = limits
        self._min_rate = min_rate
        self._written = 0  # octets of content since the server last kept us waiting
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[ClientEvent] | None = None
        self._pieces: Iterator[bytes] | None = None  # of the content; None: still to come
        self._paused = False
        self._fresh = False
        self._untold: ClientEvent | Broken | None = None  # what happened while nobody waited for it
        self._deadline = self.opened + limits[ClientStage.GREETING]
        self._latest = self.opened + limits[ClientStage.GREETING] * _PATIENCE
        self._armed = self._deadline
        self._timer: asyncio.TimerHandle | None = loop.call_at(self._deadline, self._tick)

    # What the agent asks

    async def greeted(self) -> ClientEvent:
        """READY or REFUSED, once the server has said hello."""
        return await self._wait()

    async def said(self) -> ClientEvent:
        """Send what the client has to say, and wait for the event that follows."""
        self._flush()
        self._limit(self.client.stage)
        return await self._wait()

    async def run(self, transaction: Transaction, pieces: Iterable[bytes] | None) -> ClientEvent:
        """One transaction, `pieces` being its content in wire form. FINISHED when it is over; without `pieces`, CONTENT once the
        server waits for them: then comes `send`. Raises Broken; what was decided by then is in `transaction.answers`."""
        self.uses += 1
        self._pieces = None if pieces is None else self._to_send(pieces)
        self.client.begin(transaction)
        self._fresh = True
        self._flush()
        self._limit(self.client.stage)
        return await self._wait()

    async def send(self, pieces: Iterable[bytes]) -> None:
        """The content that the server waits for, to the end of the transaction. Raises Broken."""
        self._pieces = self._to_send(pieces)
        if not self.closed:
            self._limit(ClientStage.CONTENT)
            self._send_content()
        await self._wait()

    async def upgrade(self, context: "ssl.SSLContext", name: str | None, limit: float) -> None:
        """TLS over this connection (RFC 3207), within `limit` seconds. Raises OSError (ssl.SSLError and TimeoutError among them)
        where it fails."""
        transport = self._transport
        assert transport is not None
        try:
            self.client.secured()
        except MalformedReply as malformed:
            self._break(Trouble.GARBAGE)
            raise Broken(Trouble.GARBAGE, ClientStage.STARTTLS, str(malformed)) from None
        self._deadline = self._loop.time() + limit + 60  # the limit is kept here
        try:
            async with asyncio.timeout(limit):
                self._transport = await self._loop.start_tls(
                    transport, self, context, server_hostname=name, ssl_handshake_timeout=limit + 60
                )
        except BaseException:
            self.close()
            raise

    def extra(self, name: str) -> object:
        """What the transport knows of itself (`ssl_object`, `peername`)."""
        return self._transport.get_extra_info(name) if self._transport else None

    def rest(self, limit: float) -> None:
        """Nothing to do for now: take leave after `limit` seconds."""
        self._deadline = self._loop.time() + limit
        if self._deadline < self._armed:
            self._arm()

    def leave(self, *, patiently: bool = False) -> None:
        """QUIT and close; `patiently`: not before the reply has come (smtp_skip_quit_response = no)."""
        if self.closed:
            return
        if self.client.stage is ClientStage.IDLE:
            self.client.quit()
            self._flush()
            if patiently:
                self._limit(ClientStage.QUIT)
                return
        self.close()

    def close(self) -> None:
        """Close at once."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.close()

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self.closed:
            return  # what still comes after the conversation broke off decides nothing
        self._fresh = False
        replies = self.client.replies
        try:
            event = self.client.receive(data)
        except MalformedReply as malformed:
            self._break(Trouble.GARBAGE, str(malformed))
            return
        if self.client.replies == replies and event is ClientEvent.WAIT:
            self._heard_a_part()
        else:
            self._obey(event)

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._break(Trouble.LOST)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self.client.stage is ClientStage.CONTENT and self._pieces is not None:
            if self._min_rate:
                latest = self._loop.time() + self._limits[ClientStage.CONTENT]
                self._deadline = min(self._deadline + self._written / self._min_rate, latest)
            else:
                self._limit(ClientStage.CONTENT)
            self._written = 0
            self._send_content()

    # Inside

    def _heard_a_part(self) -> None:
        """A part of a reply buys some time, if any, but not for ever."""
        if not self._min_rate:
            self._deadline = min(self._loop.time() + self._limits[self.client.stage], self._latest)

    def _obey(self, event: ClientEvent) -> None:
        self._flush()
        if event is ClientEvent.CONTENT or event is ClientEvent.WAIT:
            self._limit(self.client.stage)
        if event is ClientEvent.CONTENT and self._pieces is not None:
            self._send_content()
        elif event is ClientEvent.WAIT:
            return
        elif self._waiter is not None:
            if not self._waiter.done():
                self._waiter.set_result(event)
        elif self.client.quitting:
            self.close()
        else:
            self._untold = event

    def _send_content(self) -> None:
        """Write as much as the transport takes; `resume_writing` goes on."""
        transport = self._transport
        assert transport is not None
        assert self._pieces is not None
        try:
            for piece in self._pieces:
                transport.write(piece)
                self._written += len(piece)
                if self._paused:
                    return
        except OSError as error:
            self._break(Trouble.LOCAL, error.strerror or "")
            return
        if self.dot_delay:
            self._deadline = self._latest = self._loop.time() + self.dot_delay + self._limits[ClientStage.CONTENT]
            self._loop.call_later(self.dot_delay, self._send_dot)
        else:
            self._obey(self.client.content_sent())

    def _to_send(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """What of a content is sent at once."""
        if not self.dot_delay:
            return iter(pieces)
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high=0)  # so that all is on its way before the delay begins
        return _without_dot(pieces)

    def _send_dot(self) -> None:
        if not self.closed and self._transport is not None:
            self._transport.write(_DOT)
            self._obey(self.client.content_sent())

    def _flush(self) -> None:
        if (octets := self.client.take()) and self._transport is not None and not self.closed:
            self._transport.write(octets)

    def _limit(self, stage: ClientStage) -> None:
        """Give the server until now plus the stage's limit. The timer is moved only where it would ring too late: else it
        finds out when it rings, which costs nothing in the usual case."""
        now, limit = self._loop.time(), self._limits[stage]
        self._deadline, self._latest = now + limit, now + limit * _PATIENCE
        if self._deadline < self._armed:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self.closed:
            return
        if self._loop.time() < self._deadline:
            self._arm()
        elif self.client.stage is ClientStage.IDLE and self._waiter is None:
            self.leave()
        else:
            self._break(Trouble.TIMEOUT)

    def _break(self, trouble: Trouble, words: str = "") -> None:
        broken = Broken(trouble, self.client.stage, words, fresh=self._fresh)
        if self._waiter is None:
            self._untold = self._untold or broken
        elif not self._waiter.done():
            self._waiter.set_exception(broken)
        self.client.usable = False
        if not self.closed:
            self.close()

    async def _wait(self) -> ClientEvent:
        untold, self._untold = self._untold, None
        if isinstance(untold, Broken):
            raise untold
        if untold is not None:
            return untold
        if self.closed:
            raise Broken(Trouble.LOST, self.client.stage, fresh=self._fresh)
        self._waiter = self._loop.create_future()
        try:
            return await self._waiter
        finally:
            self._waiter = None


def _without_dot(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A content in wire form without the line that ends it."""
    kept = b""
    for piece in pieces:
        kept += piece
        yield kept[: -len(_DOT)]
        kept = kept[-len(_DOT) :]
