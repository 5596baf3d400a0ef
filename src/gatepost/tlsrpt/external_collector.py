"""Hands how TLS came out to a collector that is not ours (smtp_tlsrpt_socket_name), as Postfix does: of domains that want reports.

Failure: what the collector does not take at once, and what comes while too many wait, is lost, with a warning a minute; mail waits
for none of this.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Final

from gatepost.net.port import DnsFailure, Resolver
from gatepost.tlsrpt.datagram import datagram
from gatepost.tlsrpt.names import domain
from gatepost.tlsrpt.outcome import TlsOutcome
from gatepost.tlsrpt.record import record_of

MOST_WAITING: Final = 10_000
_PAUSE: Final = 60.0


class ExternalCollector:
    """`path`: of its socket; `clock`: seconds since 1970; `warn`: to the log."""

    def __init__(self, path: str, resolver: Resolver, clock: Callable[[], float], warn: Callable[[str], None]) -> None:
        self._path = path
        self._resolver = resolver
        self._clock = clock
        self._warn = warn
        self._warned = 0.0
        self._waiting: deque[TlsOutcome] = deque()

    def observe(self, outcome: TlsOutcome) -> None:
        """Have a session told."""
        if len(self._waiting) >= MOST_WAITING:
            self._lost(f"{MOST_WAITING} sessions wait")
        else:
            self._waiting.append(outcome)

    async def store(self) -> None:
        """Tell of the sessions since the last time."""
        if not self._waiting:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as connection:
            while self._waiting:
                outcome = self._waiting.popleft()
                name = domain(outcome.domain)
                record = name and await self._record(name)
                if name and record:
                    self._send(connection, datagram(outcome, name, record))
                await asyncio.sleep(0)

    async def _record(self, name: str) -> str | None:
        try:
            return record_of(await self._resolver.txt(f"_smtp._tls.{name}"))
        except DnsFailure:
            return None

    def _send(self, connection: socket.socket, told: bytes) -> None:
        try:
            connection.sendto(told, self._path)
        except OSError as error:
            self._lost(error.strerror or str(error))

    def _lost(self, why: str) -> None:
        if not 0.0 <= self._clock() - self._warned < _PAUSE:
            self._warned = self._clock()
            self._warn(f"smtp_tlsrpt_socket_name: {self._path}: {why}; what TLS came to is not told")
