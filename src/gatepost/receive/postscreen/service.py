"""The postscreen service: all clients of one master.cf entry until they are smtpd's, or gone (postscreen(8))."""

import asyncio
from typing import Final

from gatepost.events.records import Judged, Note
from gatepost.mail.reason import because
from gatepost.proto.smtp import replies as wire_form
from gatepost.receive.postscreen import replies
from gatepost.receive.postscreen.client import ScreenedClient
from gatepost.receive.postscreen.dialogue import engine_rules
from gatepost.receive.postscreen.port import Ports, Successor
from gatepost.receive.postscreen.results import rules
from gatepost.receive.postscreen.settings import PostscreenSettings
from gatepost.receive.session_limit import SessionLimit, TurnedAway

_SERVICE: Final = "postscreen"
_STRESS_FROM: Final = 0.9
_STRESS_UNTIL: Final = 0.7
"""Shares of postscreen_pre_queue_limit at which stress begins and ends."""


class PostscreenService:
    """One postscreen entry of master.cf.

    - `stressed`: settings while nearly as many clients are under test as may be (`stress`; STRESS_README).
    - `limit`: room for sessions, shared with other services.

    postscreen_pre_queue_limit holds for the line in all workers together.
    """

    def __init__(
        self, settings: PostscreenSettings, ports: Ports, *, limit: SessionLimit, stressed: PostscreenSettings | None = None
    ) -> None:
        self.ports = ports
        self.rules = rules(settings)
        self.engine_rules = engine_rules(settings, ports)
        self.successor: Successor | None = None
        self._usual = settings
        self._stressed = stressed or settings
        self._in_stress = False
        self._under_test = 0
        self._limit = limit
        self._clients: set[ScreenedClient] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def settings(self) -> PostscreenSettings:
        """Those of a client that comes now."""
        return self._stressed if self._in_stress else self._usual

    def protocol(self) -> asyncio.BaseProtocol:
        """A new connection's protocol: the factory for loop.create_server."""
        if not self._limit.free:
            busy = wire_form.wire(replies.PORTS_BUSY)
            return TurnedAway(busy, lambda address: self._refuse_connect(f"[{address}]", "all server ports busy"))
        return ScreenedClient(self)

    def begins(self, client: ScreenedClient) -> None:
        """A client has come."""
        self._limit.begin()
        self._clients.add(client)
        self._empty.clear()
        self._count()

    def ended(self, client: ScreenedClient) -> None:
        """It is gone, or smtpd's."""
        if client in self._clients:
            self._clients.discard(client)
            self._limit.end()
            self._count()
            if not self._clients:
                self._empty.set()

    @property
    def is_full(self) -> bool:
        """Whether as many are under test as postscreen_pre_queue_limit says; as in Postfix, the last of them is too much."""
        return self._under_test >= self._usual.postscreen_pre_queue_limit

    def _count(self) -> None:
        """Count those that all workers have under test, and look whether that is stress."""
        self._under_test = self.ports.counters.tally(f"{_SERVICE} {self.ports.name}", len(self._clients))
        number, limit = self._under_test, self._usual.postscreen_pre_queue_limit
        if not self._in_stress and number >= limit * _STRESS_FROM:
            self._in_stress = True
            self.ports.emit(Note(_SERVICE, f"entering STRESS mode with {number} connections"))
        elif self._in_stress and number <= limit * _STRESS_UNTIL:
            self._in_stress = False
            self.ports.emit(Note(_SERVICE, f"leaving STRESS mode with {number} connections"))

    def too_many(self, client: str) -> None:
        """Tell of a client with more connections than postscreen_client_connection_count_limit."""
        why = because("postscreen_client_connection_count_limit", key=client)
        self.ports.emit(Judged(_SERVICE, "", "reject", "CONNECT", client, "too many connections", why=why))

    def ports_busy(self, client: str) -> None:
        """Tell of a client for which there is no room under test."""
        self.ports.emit(Note(_SERVICE, f"reject: connect from {client}: all screening ports busy"))

    def _refuse_connect(self, client: str, text: str) -> None:
        self.ports.emit(Note(_SERVICE, f"NOQUEUE: reject: CONNECT from {client}: {text}"))

    async def idle(self) -> None:
        """Return when there is no client under test."""
        await self._empty.wait()

    async def drain(self, deadline: float) -> None:
        """Send all clients away: none of them has anything that could be lost."""
        for client in tuple(self._clients):
            client.leave()
        try:
            async with asyncio.timeout(deadline):
                await self._empty.wait()
        except TimeoutError:
            for client in tuple(self._clients):
                client.abort()
