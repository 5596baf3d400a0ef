"""The connections of a service that is one task each, over asyncio's streams: room for them, and an orderly end."""

import asyncio
from collections.abc import Awaitable, Callable

from gatepost.receive.session_limit import SessionLimit, TurnedAway

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_LIMIT = 65536


class StreamService:
    """One line of master.cf. `serve`: one connection, which is closed afterwards; it raises nothing. `turned_away`: told the
    address of a client for which there is no room; `farewell`: what that client is told."""

    def __init__(self, serve: Serve, limit: SessionLimit, turned_away: Callable[[str], None], farewell: bytes = b"") -> None:
        self._serve = serve
        self._limit = limit
        self._turned_away = turned_away
        self._farewell = farewell
        self._tasks: set[asyncio.Task[None]] = set()

    def protocol(self) -> asyncio.BaseProtocol:
        """A new connection's protocol: the factory for loop.create_server and create_unix_server."""
        if not self._limit.free:
            return TurnedAway(self._farewell, self._turned_away)
        self._limit.begin()
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=_LIMIT), self._run)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs it as one"
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # we are about to end: whoever cancels this task waits for no more than its end
        finally:
            self._tasks.discard(task)
            self._limit.end()
            writer.close()

    async def idle(self) -> None:
        """Return when there is no connection."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def drain(self, deadline: float) -> None:
        """Let connections come to their end, for at most `deadline` seconds; then they are cut."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=deadline)
            for task in late:
                task.cancel()
