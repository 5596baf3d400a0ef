"""One client of postscreen on its socket: what comes before the greeting is done by callbacks alone, for most are sent away."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, Protocol, cast

from gatepost.events.records import HungUp, Note, Screened, ScreeningBegan
from gatepost.lookup.port import LookupFailure
from gatepost.mail.reason import Reason
from gatepost.proto.proxy import Proxied, ProxyError, ProxyReader
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.replies import ServerReply, wire
from gatepost.proto.smtp.server import ServerCore
from gatepost.receive.connection import Connection
from gatepost.receive.peer import plain_address
from gatepost.receive.postscreen import replies
from gatepost.receive.postscreen.dialogue import Dialogue, footed
from gatepost.receive.postscreen.dns_lists import Rank
from gatepost.receive.postscreen.engine import EngineRules, escaped
from gatepost.receive.postscreen.port import Ports, Successor
from gatepost.receive.postscreen.results import Results, Test, TestRule
from gatepost.receive.postscreen.screening import Access, Drop, Next, Screening
from gatepost.receive.postscreen.settings import PostscreenSettings

_SERVICE: Final = "postscreen"
_BEFORE: Final = "before SMTP handshake"
_KEPT: Final = 4096
"""Octets that are kept of what a client says before its turn; the rest stays in the system's buffers, and is not lost."""


class Service(Protocol):
    """What a client asks of its service."""

    ports: Ports
    rules: dict[Test, TestRule]
    engine_rules: EngineRules
    successor: Successor | None

    @property
    def settings(self) -> PostscreenSettings: ...

    @property
    def is_full(self) -> bool: ...

    def begins(self, client: "ScreenedClient") -> None: ...

    def ended(self, client: "ScreenedClient") -> None: ...

    def too_many(self, client: str) -> None: ...

    def ports_busy(self, client: str) -> None: ...


class ScreenedClient(asyncio.Protocol):
    """One connection, from its first octet until smtpd or the engine has it."""

    __slots__ = (
        "_address", "_asking", "_began", "_connection", "_counted", "_early", "_eof", "_greeting", "_late", "_loop", "_over",
        "_ports", "_proxied", "_proxy", "_rank", "_screening", "_service", "_settings", "_task", "_timer", "_transport",
    )  # fmt: skip

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ports = service.ports
        self._settings = service.settings
        self._address = ""
        self._early = b""
        """What came and nobody has looked at."""
        self._eof = self._over = self._greeting = self._counted = self._late = False
        self._began = 0.0
        self._proxy: ProxyReader | None = None
        self._proxied: Proxied | None = None
        self._screening: Screening | None = None
        self._rank: Rank | None = None
        self._asking = False
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None

    # --- what the loop tells ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports have its methods, not its ancestry
        self._loop = asyncio.get_running_loop()
        self._service.begins(self)
        if self._settings.postscreen_upstream_proxy_protocol:
            self._proxy = ProxyReader()
            self._timer = self._loop.call_later(self._settings.postscreen_upstream_proxy_timeout, self._no_proxy_header)
            return
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self._meet(peer, own)

    def data_received(self, data: bytes) -> None:
        if self._proxy is not None:
            self._read_proxy(data)
            return
        self._early += data
        if len(self._early) >= _KEPT:
            self._transport.pause_reading()
        if self._greeting:
            self._spoke()

    def eof_received(self) -> bool:
        self._eof = True
        if self._greeting or self._proxy is not None:
            self._hung_up()
        return True  # whoever takes the connection over decides

    def connection_lost(self, exc: Exception | None) -> None:
        self._hung_up()

    # --- who it is ---

    def _read_proxy(self, data: bytes) -> None:
        reader = self._proxy
        assert reader is not None
        try:
            rest = reader.feed(data)
        except ProxyError:
            self._refuse_proxy(f"unrecognized protocol header: {escaped(data)}")
            return
        if not reader.done:
            return
        self._proxy, self._early = None, rest
        self._stop_timer()
        self._proxied = told = reader.proxied
        if told is None:  # the proxy speaks for itself
            self._meet(self._transport.get_extra_info("peername"), self._transport.get_extra_info("sockname"))
        else:
            self._meet((told.client_address, told.client_port), (told.server_address, told.server_port))

    def _no_proxy_header(self) -> None:
        self._refuse_proxy("time limit exceeded")

    def _refuse_proxy(self, why: str) -> None:
        self._ports.emit(Note(_SERVICE, f"haproxy read: {why}", "warning"))
        self._proxy = None
        self._say(wire(replies.NO_RESOURCES))
        self._end()

    def _meet(self, peer: tuple[str, object] | str | None, own: tuple[str, object] | str | None) -> None:
        client, self._address = _end_point(peer)
        server, server_address = _end_point(own)
        self._began = self._loop.time()
        self._ports.emit(ScreeningBegan(_SERVICE, client, server))
        if self._service.is_full:
            self._service.ports_busy(client)
            self._screening = self._screened(client)
            self._drop(replies.PORTS_BUSY)
            return
        self._screening = self._screened(client)
        self._task = self._loop.create_task(self._guarded(self._look_up(server_address)))

    def _screened(self, client: str) -> Screening:
        return Screening(self._service.rules, self._settings, self._ports.emit, self._address, client)

    async def _look_up(self, server_address: str) -> None:
        """What is known of it, and what follows from that."""
        screening, ports = self._screening, self._ports
        assert screening is not None
        if not await self._within_count():
            self._service.too_many(screening.client)
            self._drop(replies.TOO_MANY)
            return
        access, why = await self._access()
        known: Results = {}
        may_pass = True
        if access is not Access.PERMIT:
            known = await ports.cache.get(self._address)
            may_pass = await self._may_pass(server_address)
        if not self._over:
            self._follow(screening.begin(access, known, ports.clock(), may_pass=may_pass, why=why))

    async def _within_count(self) -> bool:
        limit = self._settings.postscreen_client_connection_count_limit
        if not limit:
            return True
        held, _ = await self._ports.counters.connect(f"{_SERVICE} {self._ports.name}", self._address)
        self._counted = True
        if self._over:
            self._uncount()
        return held <= limit

    async def _access(self) -> tuple[Access, Reason]:
        """Failure: a list that cannot be asked neither permits nor rejects; the log has it."""
        try:
            return await self._ports.lookups.access(self._address)
        except LookupFailure as failure:
            return Access.DUNNO, failure.because("postscreen_access_list", self._address)

    async def _may_pass(self, server_address: str) -> bool:
        """Failure: it may not, and comes again."""
        try:
            return await self._ports.lookups.may_pass(server_address)
        except LookupFailure:
            return False

    # --- before the greeting ---

    def _follow(self, step: Next | Drop | None) -> None:
        try:
            if isinstance(step, Drop):
                self._drop(step.reply)
            elif step is Next.GREETING:
                self._greet()
            elif step is Next.ENGINE:
                self._into_engine()
            elif step is Next.HAND_OVER:
                self._hand_over()
        except Exception as error:
            self._broken(error)

    def _greet(self) -> None:
        """The first line of a greeting that has two, and then we wait (postscreen_greet_wait)."""
        screening, lists = self._screening, self._ports.dns_lists
        assert screening is not None
        self._greeting = True
        self._began = self._loop.time()
        if Test.PREGREET in screening.todo:
            self._say(f"220-{self._settings.postscreen_greet_banner}\r\n".encode("utf-8", "surrogateescape"))
        self._timer = self._loop.call_later(self._settings.postscreen_greet_wait, self._time_is_up)
        if Test.DNSBL in screening.todo and lists is not None:
            self._rank = lists.known(self._address)
            self._asking = self._rank is None
            if self._rank is None:
                self._task = self._loop.create_task(self._guarded(self._ask(screening)))
            else:
                self._ranked(screening, self._rank)
        if self._early and self._greeting:
            self._spoke()
        if self._eof and self._greeting:
            self._hung_up()

    async def _ask(self, screening: Screening) -> None:
        assert self._ports.dns_lists is not None
        rank = await self._ports.dns_lists.rank(self._address, self._settings.postscreen_greet_wait)
        self._asking = False
        if self._greeting:
            self._rank = rank
            self._ranked(screening, rank)

    def _ranked(self, screening: Screening, rank: Rank) -> None:
        """DNS lists have spoken: where nothing else is waited for, that was it."""
        if self._late or Test.PREGREET not in screening.todo or screening.excused(rank):
            self._waited()

    def _time_is_up(self) -> None:
        """What DNS lists have said by now is about to be counted, where they were asked."""
        self._late = True
        if not self._asking:
            self._waited()

    def _spoke(self) -> None:
        screening = self._screening
        assert screening is not None
        if Test.PREGREET not in screening.todo:
            return
        self._follow(screening.spoke(self._early, self._loop.time() - self._began))
        if not self._over and self._greeting and not self._asking:
            self._waited()

    def _waited(self) -> None:
        screening = self._screening
        assert screening is not None
        self._greeting = False
        self._stop_timer()
        self._follow(screening.waited(self._rank, self._ports.clock()))

    # --- how it ends ---

    def _hung_up(self) -> None:
        if self._over:
            return
        if self._screening is not None and self._connection is None:
            self._ports.emit(HungUp(_SERVICE, self._screening.client, self._loop.time() - self._began, _BEFORE))
        self._end()

    def _drop(self, reply: ServerReply) -> None:
        """Say this and hang up."""
        self._greeting = False
        if not (self._settings.postscreen_reject_footer or self._ports.lookups.footer):
            self._say(wire(reply))
            self._end()
        else:
            self._stop_timer()
            self._task = self._loop.create_task(self._guarded(self._drop_with_footer(reply)))

    async def _drop_with_footer(self, reply: ServerReply) -> None:
        assert self._screening is not None
        octets = await footed(reply, self._settings, self._ports, self._address, self._screening.client)
        if not self._over:
            self._say(octets)
            self._end()

    def _end(self) -> None:
        """It is gone, or goes now."""
        self._leave_service()
        if self._screening is not None:
            self._ports.emit(Screened(_SERVICE, "DISCONNECT", self._screening.client))
        self._transport.close()

    def _leave_service(self) -> None:
        self._over, self._greeting = True, False
        self._stop_timer()
        self._uncount()
        if self._asking and self._task is not None:
            self._task.cancel()
        self._service.ended(self)

    def _uncount(self) -> None:
        if self._counted:
            self._counted = False
            self._ports.counters.disconnect(f"{_SERVICE} {self._ports.name}", self._address)

    def _say(self, octets: bytes) -> None:
        if not self._transport.is_closing():  # uvloop would raise
            self._transport.write(octets)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def leave(self) -> None:
        """We are about to end."""
        if self._connection is not None:
            self._connection.interrupt()
        elif not self._over:
            self._say(wire(say.shutting_down(self._settings.myhostname)))
            self._end()

    def abort(self) -> None:
        """At once."""
        self._transport.abort()

    # --- who has it then ---

    def _hand_over(self) -> None:
        """It is smtpd's, with all that it has said; but first what it has passed is known to all workers."""
        assert self._screening is not None
        results = self._screening.conclude()
        if results is None:
            self._give_away()
        else:
            self._task = self._loop.create_task(self._guarded(self._keep(results)))

    async def _keep(self, results: Results) -> None:
        await self._ports.cache.put(self._address, results)
        if not self._over:
            self._give_away()

    def _give_away(self) -> None:
        assert self._service.successor is not None, "the composition root names one before anybody connects"
        self._leave_service()
        self._give(self._service.successor.take_over(self._proxied))

    def _into_engine(self) -> None:
        self._connection = Connection(ServerCore(), self._converse)
        self._give(self._connection)

    def _give(self, protocol: asyncio.Protocol) -> None:
        transport = self._transport
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if len(self._early) >= _KEPT and not transport.is_closing():
            transport.resume_reading()
        if self._early:
            protocol.data_received(self._early)
        if self._eof:
            protocol.eof_received()

    async def _converse(self, connection: Connection) -> None:
        screening = self._screening
        assert screening is not None
        dialogue = Dialogue(screening, self._settings, self._service.engine_rules, self._ports, self._address)
        try:
            await dialogue.run(connection)
            if (results := screening.conclude()) is not None:
                await self._ports.cache.put(self._address, results)  # before it can come again
        except asyncio.CancelledError:  # told to leave
            connection.write(wire(say.shutting_down(self._settings.myhostname)))
        except Exception as error:
            self._ports.fault(error, "the client is sent away")
            connection.write(wire(replies.NO_RESOURCES))
        finally:
            connection.end()
            self._leave_service()
            self._ports.emit(Screened(_SERVICE, "DISCONNECT", screening.client))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """`work` of ours, which ends the connection where it raises what nobody expected."""
        try:
            await work
        except Exception as error:
            self._broken(error)

    def _broken(self, error: Exception) -> None:
        """Something of ours is, and is not asked again for what is said now."""
        self._ports.fault(error, "the client is sent away")
        self._say(wire(replies.NO_RESOURCES))
        if self._over:
            self._transport.close()
        else:
            self._end()


def _end_point(of: tuple[str, object] | str | None) -> tuple[str, str]:
    """(`[address]:port`, address)"""
    if not isinstance(of, tuple):
        return "[127.0.0.1]:0", "127.0.0.1"  # a UNIX-domain socket
    address = plain_address(str(of[0]))
    return f"[{address}]:{of[1]}", address
