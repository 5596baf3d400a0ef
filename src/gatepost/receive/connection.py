"""One client's octets: what comes in is fed to the protocol core, what goes out is gathered and written once per turn."""

import asyncio
import enum
from collections.abc import Callable, Coroutine
from typing import Any, Final, cast

from gatepost.net.start_tls import start_server_tls
from gatepost.proto.proxy import Proxied
from gatepost.proto.smtp.server import ServerCore, ServerEvent

_HIGH_WATER: Final = 262144


class Gone(Exception):
    """The conversation is over. `what`: `lost connection` or `timeout`, as logged; `octets`: of the content, where it was being
    read."""

    def __init__(self, what: str, octets: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.octets = octets


class _End(enum.Enum):
    LOST = "lost connection"
    TIMEOUT = "timeout"


class Connection(asyncio.Protocol):
    """A connected socket under one task. There is one timer, moved only when it fires, and reading stops while more than
    `_HIGH_WATER` octets wait to be looked at."""

    __slots__ = (
        "_begin", "_deadline", "_end", "_fixed", "_loop", "_min_rate", "_out", "_paused", "_ready", "_task", "_timeout",
        "_timer", "_waiter", "_writable", "core", "ends", "handed_over", "transport",
    )  # fmt: skip

    def __init__(
        self,
        core: ServerCore,
        begin: Callable[["Connection"], Coroutine[Any, Any, None]],
        *,
        handed_over: bool = False,
        ends: Proxied | None = None,
    ) -> None:
        """`handed_over`: by postscreen, which has heard a proxy already, where there is one; `ends`: those that it told."""
        self.core = core
        self.handed_over = handed_over
        self.ends = ends
        self._begin = begin
        self._out: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timeout = 300.0
        self._deadline = 0.0
        self._fixed = False
        self._min_rate = 0
        self._end: _End | None = None
        self._paused = False
        self._ready = False
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports have its methods, not its ancestry
        if self._task is None:
            self._loop = asyncio.get_running_loop()
            self._task = self._loop.create_task(self._begin(self))

    def data_received(self, data: bytes) -> None:
        pending = self.core.feed(data)
        self._ready = True
        if self._fixed and self._min_rate:
            self._deadline = min(self._deadline + len(data) / self._min_rate, self._loop.time() + self._timeout)
        if pending > _HIGH_WATER and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self._end = self._end or _End.LOST
        self._wake()
        # A client that has said all it has to say still hears the replies; TLS knows no such half-open connections.
        return self.transport.get_extra_info("sslcontext") is None

    def connection_lost(self, exc: Exception | None) -> None:
        self._end = self._end or _End.LOST
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self.resume_writing()
        self._wake()

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None:
            if not self._writable.done():
                self._writable.set_result(None)
            self._writable = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _tick(self) -> None:
        now = self._loop.time()
        if self._waiter is None and self._writable is None:
            self._deadline = max(self._deadline, now + 1.0)
        if now < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._tick)
            return
        self._timer = None
        self._end = self._end or _End.TIMEOUT
        if self._writable is not None:
            self.transport.abort()
        self._wake()

    def time_limit(self, seconds: float, *, whole_request: bool = False, min_rate: int = 0) -> None:
        """Wait at most `seconds` for a read; with `whole_request`, for a whole request (`smtpd_per_request_deadline`), which
        gains a second for each `min_rate` octets."""
        self._timeout, self._fixed, self._min_rate = seconds, whole_request, min_rate
        self.new_request()

    def new_request(self) -> None:
        """A new request begins: where the time limit is for whole requests, it starts again."""
        if self._fixed:
            self._deadline = self._loop.time() + self._timeout

    def write(self, data: bytes) -> None:
        """Send `data` with the rest of this turn's output."""
        self._out.append(data)

    def flush(self) -> None:
        """Send what was gathered."""
        if self._out:
            out, self._out = self._out, []
            if self.transport.is_closing():
                return  # a client that is gone hears nothing more; uvloop would raise
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))

    async def more(self) -> None:
        """Send what was gathered and wait until more came in. Raises Gone."""
        if self._out:
            self.flush()
        if self._ready:
            self._ready = False
            return
        if self._end is not None:
            raise Gone(self._end.value)
        if not self._fixed:
            self._deadline = self._loop.time() + self._timeout
        if self._timer is None or self._deadline < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._tick)
        if self._writable is not None:
            await self._writable
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        if not self._ready and self._end is None:
            self._waiter = self._loop.create_future()
            await self._waiter
            self._waiter = None
        if not self._ready and self._end is not None:
            raise Gone(self._end.value)
        self._ready = False

    async def next_event(self) -> ServerEvent:
        """The next event of the protocol. Raises Gone."""
        while (event := self.core.next_event()) is None:
            await self.more()
        return event

    @property
    def waits(self) -> bool:
        """Whether the task waits for octets, and for nothing else."""
        return self._waiter is not None

    @property
    def unread(self) -> bool:
        """Whether octets came in that no event was made of yet."""
        return self.core.pending > 0

    async def start_tls(self, context: Any, time_limit: float, *, at_once: bool = False) -> Any:
        """Become the server side of TLS; returns the ssl.SSLObject. What has come by now was sent in the clear and is dropped, but
        with `at_once`: then nothing is sent in the clear, and it is the beginning of the handshake. Raises OSError (ssl.SSLError
        among them) where the handshake fails."""
        self.flush()
        early = self.core.peek(self.core.pending) if at_once else b""
        self.core.purge()
        self._ready = self._paused = False
        try:
            if self._end is not None:  # whoever has hung up makes no handshake, and the TLS layer would not hear of it
                raise ConnectionResetError("connection lost")
            self.transport = await start_server_tls(self.transport, self, context, time_limit, early)
        except OSError:
            self._end = _End.LOST
            raise
        return self.transport.get_extra_info("ssl_object")

    def end(self) -> None:
        """Send what was gathered and close."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self.transport.is_closing():
            self.flush()
            self.transport.close()

    def interrupt(self) -> None:
        """End the task that serves this connection."""
        if self._task is not None:
            self._task.cancel()
