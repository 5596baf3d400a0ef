"""The smtpd service: all sessions of one master.cf entry, from their first connection to an orderly end (smtpd(8))."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from gatepost.admission.gates import Gates
from gatepost.auth.offer import ServerSasl
from gatepost.events.records import Emit, Judged
from gatepost.mail.ascii_text import elements
from gatepost.mail.date import MailDates
from gatepost.mail.queue_id import QueueId
from gatepost.mail.reason import because
from gatepost.net.port import Resolver
from gatepost.net.tls import ServerTls
from gatepost.proto.proxy import Proxied
from gatepost.proto.smtp import replies, server_replies
from gatepost.proto.smtp.commands import SMTP, ServerDialect
from gatepost.proto.smtp.server import ServerCore
from gatepost.receive.connection import Connection
from gatepost.receive.port import Admission, Lookups, SmtpdPorts
from gatepost.receive.proxy_filter import ProxyFilter
from gatepost.receive.session import Session
from gatepost.receive.session_limit import SessionLimit, TurnedAway
from gatepost.receive.session_state import SessionState
from gatepost.receive.settings import SmtpdSettings
from gatepost.state.port import Counters, Rate


class SmtpdService:
    """One smtpd entry of master.cf.

    - `name`: the service name as logged (`smtp`, `2525`).
    - `gates`: who is asked at each stage, the restriction lists first.
    - `tls_unavailable`: TLS should be offered, but its certificates or parameters cannot be used.
    - `tls_required`: smtpd_tls_security_level is `encrypt`.
    - `dialect`: SMTP or LMTP.
    - `stressed`: settings for sessions that begin while `process_limit` or more are open (`stress`; STRESS_README).
    - `proxy_filter`: the before-queue filter that all mail goes through, None where there is none.
    - `sasl`: log-ins; None: AUTH is not enabled.
    - `limit`: room for sessions, shared with other services.
    """

    def __init__(
        self,
        settings: SmtpdSettings,
        *,
        name: str,
        gates: Gates,
        admission: Admission,
        new_id: Callable[[], QueueId],
        resolver: Resolver,
        counters: Counters,
        emit: Emit,
        clock: Callable[[], float],
        lookups: Lookups | None = None,
        tls: ServerTls | None = None,
        tls_unavailable: bool = False,
        tls_required: bool = False,
        dialect: ServerDialect = SMTP,
        stressed: SmtpdSettings | None = None,
        process_limit: int = 100,
        limit: SessionLimit | None = None,
        proxy_filter: ProxyFilter | None = None,
        tells_permits: bool = False,
        sasl: ServerSasl | None = None,
    ) -> None:
        self.settings = settings
        lookups = lookups or Lookups()
        self.ports = SmtpdPorts(
            name=name,
            dialect=dialect,
            gates=gates,
            admission=admission,
            new_id=new_id,
            resolver=resolver,
            counters=counters,
            emit=emit,
            clock=clock,
            lookups=lookups,
            tls=tls,
            tls_unavailable=tls_unavailable,
            requires_tls=tls_required,
            rate_limits=_rate_limits(settings),
            mail_date=MailDates(),
            next_instance=self._next_instance,
            notify_classes=frozenset(elements(settings.notify_classes)) if lookups.report is not None else frozenset(),
            proxy_filter=proxy_filter,
            tells_permits=tells_permits,
            sasl=sasl,
        )
        self._stressed = stressed or settings
        self._process_limit = process_limit
        self._limit = limit or SessionLimit(1 << 30)
        self._sessions: set[Session] = set()
        self._instances = 0
        self._instance_prefix = f"{id(self):x}.{int(clock()):x}."
        self._empty = asyncio.Event()
        self._empty.set()

    def protocol(self) -> asyncio.Protocol:
        """A new connection's protocol: the factory for loop.create_server and create_unix_server."""
        settings = self.settings
        if not self._limit.free:
            busy = replies.wire(server_replies.busy(settings.myhostname))
            farewell = b"" if settings.smtpd_tls_wrappermode else busy
            return TurnedAway(farewell, self._tell_turned_away)
        return Connection(ServerCore(settings.line_length_limit, settings.smtpd_sasl_response_limit), self._begin)

    def take_over(self, told: Proxied | None) -> asyncio.Protocol:
        """The protocol of a connection that postscreen has accepted. `told`: its ends, where a proxy told them."""
        if not self._limit.free:
            return TurnedAway(replies.wire(server_replies.busy(self.settings.myhostname)), self._tell_turned_away)
        settings = self.settings
        core = ServerCore(settings.line_length_limit, settings.smtpd_sasl_response_limit)
        return Connection(core, self._begin, handed_over=True, ends=told)

    def _tell_turned_away(self, address: str) -> None:
        self.ports.emit(
            Judged(
                "smtpd", "", "reject", "CONNECT", f"[{address}]", "all server ports busy", why=because("process limit", key=address)
            )
        )

    def _next_instance(self) -> str:
        self._instances += 1
        return self._instance_prefix + str(self._instances)

    def _ended(self, session: Session) -> None:
        self._sessions.discard(session)
        self._limit.end()
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
                session.interrupt()

    def _begin(self, connection: Connection) -> Coroutine[Any, Any, None]:
        """The session of a new connection: it counts before the next one is accepted, though it begins later."""
        self._limit.begin()
        stress = len(self._sessions) >= self._process_limit
        settings = self._stressed if stress else self.settings
        connection.time_limit(
            settings.smtpd_timeout, whole_request=settings.smtpd_per_request_deadline, min_rate=settings.smtpd_min_data_rate
        )
        state = SessionState(self.ports, settings, connection)
        state.facts.stress = stress
        session = Session(state, connection, self._ended)
        self._sessions.add(session)
        self._empty.clear()
        return session.run()


def _rate_limits(settings: SmtpdSettings) -> dict[Rate, int]:
    return {
        Rate.CONNECTION: settings.smtpd_client_connection_rate_limit,
        Rate.MESSAGE: settings.smtpd_client_message_rate_limit,
        Rate.RECIPIENT: settings.smtpd_client_recipient_rate_limit,
        Rate.AUTH: settings.smtpd_client_auth_rate_limit,
        Rate.TLS_SESSION: settings.smtpd_client_new_tls_session_rate_limit,
    }
