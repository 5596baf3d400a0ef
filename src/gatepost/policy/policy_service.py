"""The client of a policy delegation server: one question, one action (SMTPD_POLICY_README, check_policy_service)."""

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from typing import cast

from msgspec import Struct, structs

from gatepost.config.values import seconds, split
from gatepost.mail.ascii_text import SPACE
from gatepost.net.connect import Connector, Endpoint
from gatepost.policy.settings import PolicySettings
from gatepost.proto.policy_delegation import ProtocolError, Reader, encode

# Failures that are no news on a first try: the server closed a connection that had been idle, or is being restarted.
_QUIET = frozenset({errno.EPIPE, errno.ENOENT, errno.ECONNRESET})


class ServiceOptions(Struct, frozen=True, kw_only=True):
    """smtpd_policy_service_*, or what a `{...}` form says instead; times in seconds, a limit of 0 is none."""

    timeout: int
    try_limit: int
    retry_delay: int
    request_limit: int
    max_idle: int
    max_ttl: int
    default_action: str
    policy_context: str


def options_of(settings: PolicySettings) -> ServiceOptions:
    """The options that the parameters give."""
    return ServiceOptions(**{name: getattr(settings, f"smtpd_policy_service_{name}") for name in ServiceOptions.__struct_fields__})


def parse(text: str, defaults: ServiceOptions) -> tuple[str, ServiceOptions]:
    """`server` or `{server, name=value, {name = value}}`: (server, options). Raises ValueError."""
    if not text.startswith("{"):
        return text, defaults
    server, *pairs = split(text[1:-1]) if text.endswith("}") else [""]
    changes: dict[str, int | str] = {}
    for pair in pairs:
        name, equals, value = pair.strip("{}").partition("=")
        name, value = name.strip(SPACE), value.strip(SPACE)
        if not equals or name not in ServiceOptions.__struct_fields__:
            raise ValueError(pair)
        known = getattr(defaults, name)
        changes[name] = value if isinstance(known, str) else int(value) if name.endswith("limit") else seconds(value)
    return server, structs.replace(defaults, **changes)


def endpoint(server: str, queue_directory: str) -> Endpoint:
    """Where `inet:host:port`, `inet:port` or `unix:path` is. Raises ValueError."""
    kind, _, where = server.partition(":")
    if kind == "inet":
        host, _, port = where.rpartition(":")
        return Endpoint(host.strip("[]") or "127.0.0.1", int(port))
    if kind in ("unix", "local") and where:
        return Endpoint(path=where if where.startswith("/") else f"{queue_directory}/{where}")
    raise ValueError(server)


class _Connection(asyncio.Protocol):
    """One connection: at most one question at a time."""

    def __init__(self) -> None:
        self._reader = Reader()
        self._answer: asyncio.Future[dict[str, str]] | None = None
        self._transport: asyncio.Transport | None = None
        self.opened = self.used = 0.0
        self.requests = 0
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        try:
            sets = self._reader.feed(data)
        except ProtocolError as problem:
            self._fail(problem)
            return
        if sets and self._answer is not None and not self._answer.done():
            self._answer.set_result(sets[0])
        elif sets:
            self.close()  # an answer to no question; the next one could not be trusted

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._fail(exc or ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def _fail(self, problem: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(problem)

    async def ask(self, question: bytes) -> dict[str, str]:
        if self.lost or self._transport is None:
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        self.requests += 1
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(question)
        return await self._answer

    def close(self) -> None:
        self.lost = True
        if self._transport is not None:
            self._transport.abort()


class PolicyService:
    """A server, and the connections to it that are kept for the next question."""

    def __init__(
        self,
        server: str,
        where: Endpoint,
        options: ServiceOptions,
        connector: Connector,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        warn: Callable[[str], None],
    ) -> None:
        self.server = server
        self.options = options
        self._name = server.partition(":")[2]
        self._where = where
        self._connector = connector
        self._clock = clock
        self._sleep = sleep
        self._warn = warn
        self._idle: list[_Connection] = []

    async def action(self, attributes: dict[str, str]) -> str:
        """What the server says; the default action where it says nothing usable in as many tries as are allowed."""
        question = encode(attributes)
        tries = max(self.options.try_limit, 1)
        for attempt in range(1, tries + 1):
            try:
                reply = await self._ask(question)
            except (OSError, ProtocolError) as problem:
                self._report(problem, last=attempt == tries)
            else:
                if (action := reply.get("action")) is not None:
                    return action
                self._warn(f"missing attribute action in input from {self._name}")
                if attempt == tries:
                    self._warn(f"problem talking to server {self._name}: Application error")
            if attempt < tries:
                await self._sleep(self.options.retry_delay)
        return self.options.default_action

    def _report(self, problem: Exception, *, last: bool) -> None:
        number = problem.errno if isinstance(problem, OSError) else None
        if isinstance(problem, TimeoutError):
            words = "Connection timed out"
        elif isinstance(problem, ProtocolError):
            words = "Application error"
        else:
            words = _words(problem)
        if last or (number is not None and number not in _QUIET) or isinstance(problem, TimeoutError):
            self._warn(f"problem talking to server {self._name}: {words}")

    async def _ask(self, question: bytes) -> dict[str, str]:
        connection = self._kept() or await self._connect()
        try:
            async with asyncio.timeout(self.options.timeout or None):
                reply = await connection.ask(question)
        except BaseException:
            connection.close()
            raise
        connection.used = self._clock()
        if "action" not in reply or (self.options.request_limit and connection.requests >= self.options.request_limit):
            connection.close()
        else:
            self._idle.append(connection)
        return reply

    def _kept(self) -> _Connection | None:
        """A connection that is still good, the one used last."""
        now = self._clock()
        while self._idle:
            connection = self._idle.pop()
            fresh = now - connection.used < self.options.max_idle and now - connection.opened < self.options.max_ttl
            if fresh and not connection.lost:
                return connection
            connection.close()
        return None

    async def _connect(self) -> _Connection:
        try:
            connection = await self._connector.connect(_Connection, self._where, self.options.timeout)
        except OSError as problem:
            self._warn(f"connect to {self._name}: {_words(problem)}")
            raise
        connection.opened = self._clock()
        return connection

    def close(self) -> None:
        """End the kept connections."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()


def _words(problem: Exception) -> str:
    """The system's own words for a failure, without addresses and numbers."""
    if isinstance(problem, OSError) and problem.errno:
        return os.strerror(problem.errno)
    return "Connection timed out" if isinstance(problem, TimeoutError) else str(problem)
