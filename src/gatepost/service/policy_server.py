"""A policy delegation server: answers what smtpd of any Postfix asks (SMTPD_POLICY_README). One for each line of master.cf.

A connection is one task that answers in the order of its requests; it may go on for as long as there are requests. Failure: what is
no request ends its connection, and Postfix takes its default action; a fault of ours is a temporary answer and a line in the log.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from gatepost.events.records import Emit, Fault, Note
from gatepost.proto.exchange import ProtocolError
from gatepost.proto.policy_delegation import Reader, encode
from gatepost.receive.session_limit import SessionLimit, TurnedAway

Request = Mapping[str, str]

_CHUNK = 65536
_IDLE_LIMIT = 1000.0
"""Seconds: Postfix's client has long closed a connection that is idle (smtpd_policy_service_max_idle, 300s)."""
_REQUEST_LIMIT = 100.0
"""Seconds for all of a request, however it drips in: Postfix's client waits no longer (smtpd_policy_service_timeout)."""
_TURN = 120.0
"""Seconds in which a client takes its answer."""
TRY_AGAIN = "DEFER_IF_PERMIT 4.3.0 Service temporarily unavailable"


class Desk(Protocol):
    """What answers the requests of one connection, in turn."""

    async def answer(self, request: Request) -> str:
        """The action (access(5))."""
        ...


class PolicyServer:
    """One line of master.cf. `desk`: makes one for each connection; `service`: the program's name in the log;
    `once`: a connection ends after an answer."""

    def __init__(
        self, service: str, desk: Callable[[], Desk], *, emit: Emit, fault: Fault, limit: SessionLimit, once: bool = False
    ) -> None:
        self._service = service
        self._desk = desk
        self._emit = emit
        self._fault = fault
        self._limit = limit
        self._once = once
        self._tasks: set[asyncio.Task[None]] = set()
        self._answering: set[asyncio.Task[None]] = set()
        self._draining = False

    def protocol(self) -> asyncio.BaseProtocol:
        """A new connection's protocol: the factory for loop.create_server and create_unix_server."""
        if not self._limit.free:
            return TurnedAway(b"", lambda address: self._warn(f"connection from {address} refused: all ports busy"))
        self._limit.begin()
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=_CHUNK), self._serve)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs it as one"
        self._tasks.add(task)
        try:
            await self._converse(reader, writer, task)
        except (OSError, TimeoutError, asyncio.CancelledError):
            writer.transport.abort()  # gone, idle for too long, or we are about to end: whoever cancels waits for no more than this
        except ProtocolError as error:
            self._warn(f"no policy request: {error}")
        finally:
            self._answering.discard(task)
            await _closed(writer)
            self._tasks.discard(task)
            self._limit.end()  # not before: what is not taken keeps the connection open

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: "asyncio.Task[None]") -> None:
        requests, desk, clock = Reader(), self._desk(), asyncio.get_running_loop().time
        until = clock() + _IDLE_LIMIT
        while not self._draining and (octets := await asyncio.wait_for(reader.read(_CHUNK), until - clock())):
            is_new = not requests.pending
            self._answering.add(task)
            for request in requests.feed(octets):
                is_new = True
                action = await self._action(desk, request)
                writer.write(encode({"action": action}))
                await asyncio.wait_for(writer.drain(), _TURN)
                if self._once:
                    return
            self._answering.discard(task)
            if is_new:
                until = clock() + (_REQUEST_LIMIT if requests.pending else _IDLE_LIMIT)

    async def _action(self, desk: Desk, request: Request) -> str:
        if request.get("request") != "smtpd_access_policy":
            raise ProtocolError(f"request={request.get('request', '')[:60]!r}")
        try:
            return await desk.answer(request)
        except Exception as error:
            self._fault(error, "the client is asked to try again")
            return TRY_AGAIN

    def _warn(self, text: str) -> None:
        self._emit(Note(self._service, text, "warning"))

    async def idle(self) -> None:
        """Return when there is no connection."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def drain(self, deadline: float) -> None:
        """End all connections: idle ones at once, the others after their answer, at most `deadline` seconds from now."""
        self._draining = True
        for task in self._tasks - self._answering:
            task.cancel()
        if self._answering:
            _, late = await asyncio.wait(set(self._answering), timeout=deadline)
            for task in late:
                task.cancel()


async def _closed(writer: asyncio.StreamWriter) -> None:
    """End a connection; its client has a while to take what it was answered."""
    writer.close()
    try:
        await asyncio.wait_for(writer.wait_closed(), _TURN)
    except (OSError, TimeoutError, asyncio.CancelledError):
        writer.transport.abort()
