"""The smtpd service: what all sessions of one master.cf entry share, and how a session opens (smtpd(8))."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

from gatepost.events.records import Emit, Note
from gatepost.lookup.port import LookupFailure
from gatepost.mail.ascii_text import SPACE, elements, upper
from gatepost.mail.queue_id import QueueId
from gatepost.net.port import Resolver
from gatepost.net.tls import ServerTls
from gatepost.policy.port import Policy
from gatepost.proto.proxy import Proxied, ProxyError, ProxyReader
from gatepost.proto.smtp.commands import LMTP, SMTP, UNKNOWN, Verb
from gatepost.proto.smtp.data import LineEnds
from gatepost.proto.smtp.grammar import printable
from gatepost.proto.smtp.server import Command, ServerCore
from gatepost.queue.port import NewMessage
from gatepost.receive.connection import Connection, Gone
from gatepost.receive.hello import secure
from gatepost.receive.peer import Peer, identify, plain_address
from gatepost.receive.port import Cleanup, Surroundings
from gatepost.receive.received import MailDates
from gatepost.receive.seats import Seats, TurnedAway
from gatepost.receive.session import Session
from gatepost.receive.settings import SmtpdSettings
from gatepost.receive.transcript import NoTranscript, Transcript
from gatepost.receive.verbs import HANDLERS
from gatepost.state.port import Counters, Rate

_BUSY: Final = b"421 4.3.2 %b All server ports are busy\r\n"
_LINE_ENDS: Final = {
    "no": LineEnds.LENIENT,
    "yes": LineEnds.STRICT,
    "normalize": LineEnds.STRICT,
    "note": LineEnds.STRICT,
    "reject": LineEnds.REJECT,
}


class SmtpdService:
    """One smtpd entry of master.cf.

    `name`: the service name as logged (`smtp`, `2525`). `stressed`: settings for sessions that begin while `process_limit`
    or more are open (`stress`; STRESS_README). `seats`: room for sessions, shared with other services. `lmtp`: speak LMTP.
    `enqueue` returns once the message is durable and raises QueueUnavailable otherwise. `tls_required`:
    smtpd_tls_security_level is `encrypt`.
    """

    def __init__(
        self,
        settings: SmtpdSettings,
        *,
        name: str,
        policy: Policy,
        cleanup: Cleanup,
        new_id: Callable[[], QueueId],
        enqueue: Callable[[NewMessage], Awaitable[None]],
        resolver: Resolver,
        counters: Counters,
        emit: Emit,
        clock: Callable[[], float],
        surroundings: Surroundings | None = None,
        tls: ServerTls | None = None,
        tls_required: bool = False,
        lmtp: bool = False,
        stressed: SmtpdSettings | None = None,
        process_limit: int = 100,
        seats: Seats | None = None,
    ) -> None:
        self.settings = settings
        self.name = name
        self.policy = policy
        self.cleanup = cleanup
        self.new_id = new_id
        self.enqueue = enqueue
        self.resolver = resolver
        self.counters = counters
        self.emit = emit
        self.clock = clock
        self.surroundings = surroundings or Surroundings()
        self.tls = tls
        self.requires_tls = tls_required
        self.verbs: Mapping[str, Verb] = LMTP if lmtp else SMTP
        self.counted = (*self.verbs, UNKNOWN.name)
        self.handlers = HANDLERS
        self.mail_date = MailDates()
        self.filters_commands = self.surroundings.command_filter is not None
        self.rate_limits = {
            Rate.CONNECTION: settings.smtpd_client_connection_rate_limit,
            Rate.MESSAGE: settings.smtpd_client_message_rate_limit,
            Rate.RECIPIENT: settings.smtpd_client_recipient_rate_limit,
            Rate.TLS_SESSION: settings.smtpd_client_new_tls_session_rate_limit,
        }
        self._has_limits = settings.smtpd_client_connection_count_limit > 0 or any(self.rate_limits.values())
        self.notify_classes: frozenset[str] = frozenset()
        if self.surroundings.report is not None:
            self.notify_classes = frozenset(elements(settings.notify_classes))
        self.new_transcript = Transcript if self.notify_classes else NoTranscript
        self._stressed = stressed or settings
        self._process_limit = process_limit
        self._seats = seats or Seats(1 << 30)
        self._sessions: set[Session] = set()
        self._instances = 0
        self._instance_prefix = f"{id(self):x}.{int(clock()):x}."
        self._empty = asyncio.Event()
        self._empty.set()

    def protocol(self) -> asyncio.Protocol:
        """A new connection's protocol: the factory for loop.create_server and create_unix_server."""
        if not self._seats.free:
            settings = self.settings
            farewell = b"" if settings.smtpd_tls_wrappermode else _BUSY % settings.myhostname.encode()
            return TurnedAway(farewell, self._tell_turned_away)
        return Connection(ServerCore(self.settings.line_length_limit), self._begin)

    def _tell_turned_away(self, address: str) -> None:
        self.emit(Note("smtpd", f"NOQUEUE: reject: CONNECT from [{address}]: all server ports busy"))

    def next_instance(self) -> str:
        """A fresh `instance` attribute (SMTPD_POLICY_README): the same for all requests about one message."""
        self._instances += 1
        return self._instance_prefix + str(self._instances)

    async def filtered(self, command: Command) -> Command:
        """`command` as smtpd_command_filter rewrites it."""
        assert self.surroundings.command_filter is not None
        line = await self.surroundings.command_filter(command.line)
        if line is None:
            return command
        line = line.strip(SPACE)
        verb, _, argument = line.partition(" ")
        return Command(upper(verb), argument.strip(SPACE), line, command.utf8, command.bare_newline)

    def report(self, subject: str, text: str) -> None:
        """Have the postmaster told of a session."""
        if self.surroundings.report is not None:
            self.surroundings.report(subject, text)

    def forget(self, session: Session) -> None:
        """A session has ended."""
        self._sessions.discard(session)
        self._seats.give()
        if not self._sessions:
            self._empty.set()

    async def idle(self) -> None:
        """Return when there is no session."""
        await self._empty.wait()

    async def drain(self, deadline: float) -> None:
        """End all sessions in an orderly way: idle ones now with 421, the others after their transaction, and what is left
        after `deadline` seconds at once."""
        for session in tuple(self._sessions):
            session.leave()
        try:
            async with asyncio.timeout(deadline):
                await self._empty.wait()
        except TimeoutError:
            for session in tuple(self._sessions):
                session.connection.interrupt()

    def _begin(self, connection: Connection) -> Coroutine[Any, Any, None]:
        """A connection is there: it has its seat before the next one is accepted, though its session begins later."""
        self._seats.take()
        return self._serve(connection)

    async def _serve(self, connection: Connection) -> None:
        stress = len(self._sessions) >= self._process_limit
        settings = self._stressed if stress else self.settings
        connection.time_limit(
            settings.smtpd_timeout, whole_request=settings.smtpd_per_request_deadline, min_rate=settings.smtpd_min_data_rate
        )
        session = Session(self, connection, settings)
        session.facts.stress = stress
        self._sessions.add(session)
        self._empty.clear()
        await session.run(self._open)

    # --- the opening of a session ---

    async def _open(self, session: Session) -> bool:
        """Who it is, whether it may come in, and the banner."""
        settings = session.settings
        _own_ends(session)
        if settings.smtpd_upstream_proxy_protocol and not await self._told_by_proxy(session):
            return False
        peer = await self._peer(session)
        facts = session.facts
        facts.client_name, facts.client_name_code = peer.name, peer.name_code
        facts.reverse_client_name, facts.reverse_client_name_code = peer.reverse_name, peer.reverse_code
        if peer.warning:
            session.note(peer.warning, "warning")
        if not await self._admitted(session):
            return False
        if settings.smtpd_tls_wrappermode:
            if self.tls is None:
                session.note(
                    f"Wrapper-mode request dropped from {facts.client} for service {self.name}. TLS is not available", "warning"
                )
                return False
            await secure(session, at_once=True)
        session.line_ends = await self._line_ends(session)
        await session.greet()
        return True

    async def _peer(self, session: Session) -> Peer:
        facts = session.facts
        if not facts.client_address:  # a UNIX-domain socket
            facts.client_address = "127.0.0.1"
            return Peer("localhost", 2, "localhost", 2)
        if not session.settings.smtpd_peername_lookup:
            return Peer()
        return await identify(self.resolver, facts.client_address)

    async def _told_by_proxy(self, session: Session) -> bool:
        """The real addresses, from the PROXY header (smtpd_upstream_proxy_protocol)."""
        try:
            async with asyncio.timeout(session.settings.smtpd_upstream_proxy_timeout):
                told = await _proxy_header(session.connection)
        except (ProxyError, Gone, TimeoutError) as error:
            session.note(f"haproxy: {printable(str(error)) or 'time limit exceeded'}", "warning")
            session.reply(f"421 4.3.2 {session.settings.myhostname} Server local error")
            return False
        if told is not None:
            facts = session.facts
            facts.client_address, facts.client_port = plain_address(told.client_address), told.client_port
            facts.server_address, facts.server_port = plain_address(told.server_address), told.server_port
        return True

    async def _admitted(self, session: Session) -> bool:
        """Counts and rates of connections (smtpd_client_connection_*_limit)."""
        facts, settings = session.facts, session.settings
        counted = facts.client_address if self._has_limits and not await self._spared(session) else ""
        held, rate = await self.counters.connect(self.name, counted) if counted else (0, 0)
        session.connected(counted)
        for what, number, limit in (
            ("concurrency", held, settings.smtpd_client_connection_count_limit),
            ("rate", rate, settings.smtpd_client_connection_rate_limit),
        ):
            if limit and number > limit:
                session.note(f"Connection {what} limit exceeded: {number} from {facts.client} for service {self.name}", "warning")
                session.reply(f"421 4.7.0 {settings.myhostname} Error: too many connections from {facts.client_address}")
                return False
        return True

    async def _spared(self, session: Session) -> bool:
        """Whether a client is not counted at all: it is excepted, or may speak for others by XCLIENT."""
        try:
            return await session.client_is("event_exceptions") or await session.client_is("xclient_hosts")
        except LookupFailure:
            return False  # EHLO will have to know, and ask again

    async def _line_ends(self, session: Session) -> LineEnds:
        ends = _LINE_ENDS.get(session.settings.smtpd_forbid_bare_newline.lower(), LineEnds.STRICT)
        if ends is not LineEnds.LENIENT and await session.client_is("bare_newline_exclusions"):
            return LineEnds.LENIENT
        return ends


def _own_ends(session: Session) -> None:
    """Addresses of both ends as the socket knows them."""
    facts, transport = session.facts, session.connection.transport
    peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    if isinstance(peer, tuple):
        facts.client_address, facts.client_port = plain_address(peer[0]), str(peer[1])
    if isinstance(own, tuple):
        facts.server_address, facts.server_port = plain_address(own[0]), str(own[1])


async def _proxy_header(connection: Connection) -> Proxied | None:
    reader, core = ProxyReader(), connection.core
    while not reader.done:
        await connection.more()
        rest = reader.feed(core.peek(core.pending))
        core.purge()
        core.feed(rest)
    return reader.proxied
