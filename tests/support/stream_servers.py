"""Tiny servers on real sockets, each with one way to behave, and a client for them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gatepost.net.breaker import Away, Back
from gatepost.net.connect import SocketConnector
from gatepost.net.server_address import Server
from gatepost.net.stream_client import Handshake, Network, StreamClient
from gatepost.net.stream_port import AnswerLimit, BreakerRules, Reuse, StreamRules, TimeLimits
from gatepost.proto.exchange import Exchange, ProtocolError
from tests.support.fake_dns import FakeDns

LIMITS = TimeLimits(turn=50, connect=20, write=7, read=5, whole=30)
RULES = StreamRules(limits=LIMITS, answer=AnswerLimit(1000, 50), reuse=Reuse(60, 300), breaker=BreakerRules(0))

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Behave = Callable[[Reader, Writer], Awaitable[None]]


async def echo(reader: Reader, writer: Writer) -> None:
    while line := await reader.readline():
        writer.write(b"ok " + line)


async def silent(reader: Reader, writer: Writer) -> None:
    await asyncio.sleep(10_000)


async def slow(reader: Reader, writer: Writer) -> None:
    """An octet every four seconds: each in time, the whole not."""
    for octet in b"ok " + b"x" * 100:
        await asyncio.sleep(4)
        writer.write(bytes([octet]))


async def closing(reader: Reader, writer: Writer) -> None:
    await reader.readline()


async def breaking_off(reader: Reader, writer: Writer) -> None:
    await reader.readline()
    writer.write(b"ok hel")


async def half_closing(reader: Reader, writer: Writer) -> None:
    await reader.readline()
    writer.write(b"ok hel")
    writer.write_eof()
    await asyncio.sleep(10_000)


async def resetting(reader: Reader, writer: Writer) -> None:
    await reader.readline()
    writer.transport.abort()


async def garbage(reader: Reader, writer: Writer) -> None:
    await reader.readline()
    writer.write(b"\0\xff\n")


async def endless(reader: Reader, writer: Writer) -> None:
    while True:
        writer.write(b"ok " * 1000)
        await writer.drain()


async def many_lines(reader: Reader, writer: Writer) -> None:
    writer.write(b"\n" * 51)
    await asyncio.sleep(10_000)


class Line(Exchange[str]):
    """A line, answered by `ok TEXT`."""

    def __init__(self, text: str = "hello") -> None:
        self._text = text
        self._heard = b""

    def question(self) -> Iterable[bytes]:
        yield self._text.encode() + b"\n"

    def feed(self, octets: bytes) -> bytes:
        self._heard += octets
        line, end, rest = self._heard.partition(b"\n")
        if end and not line.startswith(b"ok "):
            raise ProtocolError("no ok")
        if end:
            self.finish(line[3:].decode(), reusable=not rest)
        return b""


class Once(Line):
    """A line that must not be said twice."""

    idempotent = False


class Listening:
    """A server that has been begun. `accepted`: connections so far; `behave`: what it does with the next one."""

    def __init__(self, behave: Behave) -> None:
        self.behave = behave
        self.accepted = 0
        self.server: Server | None = None
        self.tasks: set[asyncio.Task[Any]] = set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self.behave(reader, writer)
        finally:
            self.tasks.discard(task)
            writer.close()


@asynccontextmanager
async def listening(kind: str, folder: Path, behave: Behave) -> AsyncIterator[Listening]:
    """A server on a socket of a kind: unix, inet, inet6."""
    one = Listening(behave)
    if kind == "unix":
        path = str(folder / "socket")
        server = await asyncio.start_unix_server(one.talk, path)
        one.server = Server(path, path=path)
    else:
        address = "127.0.0.1" if kind == "inet" else "::1"
        server = await asyncio.start_server(one.talk, address, 0)
        one.server = Server("server.test:1", address, server.sockets[0].getsockname()[1])
    try:
        yield one
    finally:
        server.close()
        for task in tuple(one.tasks):
            task.cancel()


class Asking:
    """A client, and what it told."""

    def __init__(
        self, server: Server, rules: StreamRules, *, zone: str = "", handshake: Handshake = Handshake(), source: str = "test"
    ) -> None:
        loop = asyncio.get_running_loop()
        self.told: list[Away | Back] = []
        network = Network(SocketConnector(), FakeDns(zone), loop.time, asyncio.sleep, lambda: 0.0)
        self.client = StreamClient(server, rules, network, self.told.append, source, handshake)
