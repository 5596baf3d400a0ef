"""Room for sessions: descriptors are left for the queue, tables and deliveries, however many clients come.

Postfix has a process a session and so a limit (default_process_limit); clients beyond it wait in the system's queue. Here they
are told to come again, as postscreen(8) does.
"""

import asyncio
from collections.abc import Callable
from typing import cast


class SessionLimit:
    """`limit`: sessions that all services of a worker may have together."""

    __slots__ = ("_limit", "_open")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = 0

    @property
    def free(self) -> bool:
        """Whether there is room for another session."""
        return self._open < self._limit

    def begin(self) -> None:
        """A session begins."""
        self._open += 1

    def end(self) -> None:
        """A session has ended."""
        self._open -= 1


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
