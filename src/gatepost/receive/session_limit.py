"""Room for sessions: descriptors are left for the queue, tables and deliveries, however many clients come.

Postfix has a process a session and so a limit (default_process_limit); clients beyond it wait in the system's queue. Here they
are told to come again, as postscreen(8) does.
"""

import asyncio
from collections.abc import Callable
from typing import cast


class SessionLimit:
    """`limit`: sessions that all services of a worker may have together."""

    __slots__ = ("_open", "most")

    def __init__(self, limit: int) -> None:
        self.most = limit
        self._open = 0

    @property
    def free(self) -> bool:
        """Whether there is room for another session."""
        return self._open < self.most

    def begin(self) -> None:
        """A session begins."""
        self._open += 1

    def end(self) -> None:
        """A session has ended."""
        self._open -= 1


class Part(SessionLimit):
    """Room within the room of others, for services that must not take it all: `limit` sessions, and half of the whole at most."""

    __slots__ = ("_whole",)

    def __init__(self, limit: int, whole: SessionLimit) -> None:
        super().__init__(min(limit, whole.most // 2))
        self._whole = whole

    @property
    def free(self) -> bool:
        return super().free and self._whole.free

    def begin(self) -> None:
        super().begin()
        self._whole.begin()

    def end(self) -> None:
        super().end()
        self._whole.end()


class TurnedAway(asyncio.Protocol):
    """A client for whom there is no room. `farewell`: what it is told; `tell`: is given its address, for the log."""

    def __init__(self, farewell: bytes, tell: Callable[[str], None]) -> None:
        self._farewell = farewell
        self._tell = tell

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self._tell(peer[0] if isinstance(peer, tuple) else "local")
        wire = cast(asyncio.Transport, transport)  # as in connection.py
        wire.write(self._farewell)
        wire.close()
