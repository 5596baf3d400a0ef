"""The delivery agent for SMTP and LMTP (smtp(8), lmtp(8)): a driver that does what the plan says and reports how it went.

One agent serves one smtp or lmtp service of master.cf; it keeps connections and uses them for the next message to the same
site. What to try is decided in `plan`, what replies mean in `failures`, what goes over the wire in `handover`.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from gatepost.config.ports import known_ports
from gatepost.deliver import failures
from gatepost.deliver.attempt import UNANSWERED, Attempt
from gatepost.deliver.authenticate import Authenticator, NotAuthenticated
from gatepost.deliver.handover import Unsendable, prepare, unnameable
from gatepost.deliver.next_hop import BadDestination, parse_all
from gatepost.deliver.plan import FindAddresses, FindExchangers, Host, Plan, Shuffle, Stop, Try
from gatepost.deliver.pool import Pool
from gatepost.deliver.smtp_connection import Broken, Connection
from gatepost.deliver.smtp_options import dialect_of, discarded, keeping_of, limits_of, manner_of, wishes_of
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.deliver.starttls import NoSecurity, Security, deferred
from gatepost.deliver.tls_policy import NO_TLS, BadTlsPolicy, Level, TlsPolicies, TlsPolicy
from gatepost.events.records import Emit, Note
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps
from gatepost.mail.delivery import DeliveryRequest, Reached, Report
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.reason import because
from gatepost.net.connect import Connector, Endpoint
from gatepost.net.host_names import numeric_address
from gatepost.net.port import MX, BadName, DnsFailure, Resolver
from gatepost.proto.smtp.client import Answer, Client, Dialect, Event, Stage

# Exchangers of a domain whose addresses are looked up; more is nobody's good intention.
_LOOKUPS = 20


Rewrite = Callable[[DeliveryRequest], Awaitable[DeliveryRequest]]
PassOn = Callable[[DeliveryRequest], Awaitable[Sequence[Report]]]


class SmtpAgent:
    """Agent (mail/delivery.py) for one service. `service`: its name in the log (`smtp`, `lmtp`, `relay`); `shuffle` orders hosts
    of one preference; `own`: addresses of this host (inet_interfaces, proxy_interfaces); `base`: directory that paths of
    UNIX-domain sockets are relative to (queue_directory); `clock`: seconds since 1970; `tls_policies`: smtp_tls_policy_maps;
    `passwords`: smtp_sasl_password_maps; `rewrite`: what becomes of a message on its way out (smtp_generic_maps,
    smtp_header_checks): the same recipients in the same order; `best_mx`: who delivers what would loop back to this host
    (best_mx_transport); `discard_maps`: smtp_discard_ehlo_keyword_address_maps; `reply_filter`: smtp_reply_filter. Raises
    BadTlsPolicy where smtp_tls_security_level names no level."""

    def __init__(
        self,
        settings: SmtpSettings,
        resolver: Resolver,
        connector: Connector,
        *,
        clock: Callable[[], float],
        shuffle: Shuffle,
        emit: Emit,
        service: str = "smtp",
        own: frozenset[str] = frozenset(),
        base: str = "",
        tls_policies: Maps | None = None,
        passwords: Maps | None = None,
        rewrite: Rewrite | None = None,
        best_mx: PassOn | None = None,
        discard_maps: Maps | None = None,
        reply_filter: Maps | None = None,
    ) -> None:
        self._settings = settings
        self._resolver = resolver
        self._connector = connector
        self._clock = clock
        self._shuffle = shuffle if settings.smtp_randomize_addresses else _as_they_are
        self._emit = emit
        self._service = service
        self._base = base
        self._loop = asyncio.get_running_loop()
        self._dialect = dialect_of(settings, reply_filter)
        self._limits = limits_of(settings)
        self._manner = manner_of(settings)
        self._ports = known_ports(settings.known_tcp_ports)
        self._min_rate = settings.smtp_min_data_rate if settings.smtp_per_request_deadline else 0
        self._wishes = wishes_of(settings, own)
        self._tls = TlsPolicies(settings, tls_policies)
        self._security = Security(settings, emit, service)
        self._authenticator: Authenticator | None = None
        if settings.smtp_sasl_auth_enable and passwords is not None and not passwords.empty:
            self._authenticator = Authenticator(settings, passwords)
        self._rewrite = rewrite
        self._best_mx = best_mx
        self._discard_maps = discard_maps
        self._pool = Pool(keeping_of(settings), self._loop.time)

    async def deliver(self, request: DeliveryRequest) -> Sequence[Report]:
        """One attempt: over a kept connection if there is one, then by plan for whoever is left."""
        attempt = Attempt(request, self._clock())
        kept = self._pool.take(self._site(request))
        tried = frozenset[str]()
        if kept is not None:
            attempt.connected = attempt.started
            if await self._over(kept, attempt):
                tried = frozenset((kept.host.address,))
        if attempt.left:
            try:
                plan = self._plan(request.nexthop, tried)
            except BadDestination as bad:
                attempt.finish(Outcome(Class.TEMPORARY, "4.3.5", str(bad)))
            else:
                await self._follow(plan, attempt)
        return attempt.reports

    async def close(self) -> None:
        """Take leave of all servers."""
        self._pool.close()

    def _plan(self, nexthop: str, tried: frozenset[str]) -> Plan:
        settings = self._settings
        domains = not (settings.lmtp or settings.disable_dns_lookups)
        sites = parse_all(nexthop, settings.smtp_tcp_port, self._ports, exchangers=domains)
        primary = len(sites)
        if settings.smtp_fallback_relay and not settings.lmtp:
            sites += parse_all(settings.smtp_fallback_relay, settings.smtp_tcp_port, self._ports, exchangers=True)
        return Plan(sites, self._wishes, self._shuffle, primary=primary, tried=tried)

    async def _follow(self, plan: Plan, attempt: Attempt) -> None:
        """Do what the plan says until nobody is left or no host is."""
        while attempt.left:
            match plan.step():
                case FindExchangers(name):
                    try:
                        plan.exchangers(await self._resolver.mx(name))
                    except DnsFailure as failure:
                        plan.no_exchangers(failure)
                case FindAddresses(hosts):
                    plan.addresses(*await self._addresses(hosts, plan.port))
                case Try() as step:
                    await self._try(plan, step, attempt)
                case Stop(here=True) if self._best_mx is not None:
                    attempt.reports += await self._best_mx(attempt.remaining())
                    attempt.left = ()
                case Stop(outcome, relay, down=down):
                    attempt.finish(outcome, relay, Reached.NO if down else Reached.YES)
            for warning in plan.warnings:
                self._emit(Note(self._service, warning, "warning"))
            plan.warnings.clear()

    async def _addresses(self, hosts: Sequence[MX], port: int) -> tuple[list[Host], list[DnsFailure]]:
        """Addresses of all `hosts`, and the look-ups that gave none, in order."""
        found: list[Host] = []
        failed: list[DnsFailure] = []
        ways = [self._resolver.a if family == 4 else self._resolver.aaaa for family in self._wishes.families]
        if "dns" not in self._settings.smtp_host_lookup or self._settings.disable_dns_lookups:
            ways = [self._resolver.host]
        for mx in hosts[:_LOOKUPS]:
            if (written := numeric_address(mx.host)) is not None:
                if (6 if ":" in written else 4) in self._wishes.families:
                    found.append(Host(mx.host, written, port, mx.preference))
                else:
                    failed.append(BadName(mx.host, "A", "an address of a family that is not used", exists=False))
                continue
            answers = await asyncio.gather(*(way(mx.host) for way in ways), return_exceptions=True)
            for answer in answers:
                if isinstance(answer, DnsFailure):
                    failed.append(answer)
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    found += (Host(mx.host, address, port, mx.preference) for address in answer)
        return found, failed

    async def _try(self, plan: Plan, step: Try, attempt: Attempt) -> None:
        """Connect to a host, say hello, deliver."""
        connection = await self._open(plan, step, attempt)
        if connection is None:
            return
        plan.session()
        attempt.connected = self._clock()
        await self._over(connection, attempt, plan)

    async def _open(self, plan: Plan, step: Try, attempt: Attempt) -> Connection | None:
        """A connection that is ready for a transaction; else None, and the plan knows why."""
        host, site = step.host, step.site
        try:
            policy = NO_TLS if step.plain or self._tls.idle else await self._tls.find(site, host.name)
        except (BadTlsPolicy, LookupFailure) as error:
            plan.failed(Outcome(Class.TEMPORARY, "4.7.5", f"TLS policy lookup for {site}/{host.name}: {error}"))
            return None
        connection = await self._connected(plan, step)
        if connection is None:
            return None
        insecure, down = False, True
        try:
            outcome = await self._made_ready(connection, policy, attempt)
        except Broken as trouble:
            outcome = failures.broken(trouble, host.label, lmtp=self._settings.lmtp)
            insecure = connection.level is Level.MAY
        except (NoSecurity, NotAuthenticated) as lack:
            outcome = lack.outcome
            insecure = isinstance(lack, NoSecurity) and lack.handshake and policy.level is Level.MAY
        except LookupFailure as failure:
            why = failure.because("smtp_sasl_password_maps", host.name)
            outcome, down = Outcome(Class.TEMPORARY, "4.3.0", "password table lookup failure", why=why), False
        except BaseException:
            connection.close()
            raise
        finally:
            self._remark(connection, attempt)
        if outcome is None:
            connection.client.usable &= not step.plain  # by others, for whom TLS may do
            return connection
        connection.leave()
        again = insecure and await self._may_be_plain(connection, attempt)
        if again:
            plan.plainly(host)
        self._given_up(plan, host, outcome, attempt, final=step.final and not again, down=down)
        return None

    async def _made_ready(self, connection: Connection, policy: TlsPolicy, attempt: Attempt) -> Outcome | None:
        """Hello, TLS, authentication; the outcome where the server will not talk to us. Raises Broken, NoSecurity,
        NotAuthenticated, LookupFailure."""
        client, host, wrapped = connection.client, connection.host, self._settings.smtp_tls_wrappermode
        if wrapped:
            await self._security.wrap(connection, policy)
        event = await connection.greeted()
        if event is Event.READY and not wrapped:
            lack = await self._security.hello(connection, policy)
            if lack and await self._has_password(connection, attempt):
                raise NoSecurity(deferred("4.7.4", f"{lack}; the password for it is not sent in the clear"))
        if client.refusal is None and self._authenticator is not None:
            await self._authenticator.log_in(connection, attempt.sender, verified=policy.level > Level.ENCRYPT)
        if client.refusal is None:
            return None
        soften = self._settings.smtp_skip_5xx_greeting and not client.greeted and client.refusal.cls == 5
        return failures.refused(client.refusal, host.label, host.name, soften=soften)

    async def _may_be_plain(self, connection: Connection, attempt: Attempt) -> bool:
        """Whether a host with which TLS failed, that is not required, may be tried without it: not before the message has waited,
        and never where a password could be said in the clear (TLS_README, "Opportunistic TLS")."""
        waited = attempt.request.probe or attempt.waited >= self._settings.minimal_backoff_time
        try:
            return waited and not await self._has_password(connection, attempt)
        except LookupFailure:
            return False

    async def _has_password(self, connection: Connection, attempt: Attempt) -> bool:
        """Whether there is a password for this server. Raises LookupFailure."""
        who = self._authenticator
        return who is not None and await who.knows(connection, attempt.sender)

    def _remark(self, connection: Connection, attempt: Attempt) -> None:
        """Tell of what was odd about the server's replies."""
        if oddities := connection.client.oddities:
            for text in failures.remarks(oddities, connection.host, attempt.queue_id, lmtp=self._settings.lmtp):
                self._emit(Note(self._service, text, "warning"))
            oddities.clear()

    async def _connected(self, plan: Plan, step: Try) -> Connection | None:
        """A fresh connection to the host of a `step`."""
        host = step.host
        try:
            dialect = await self._dialect_with(host)
        except LookupFailure:  # the tables have said so in the log
            plan.failed(Outcome(Class.TEMPORARY, "4.3.0", f"local data error while talking to {host.label}"))
            return None
        endpoint = Endpoint(host.address, host.port) if host.port else Endpoint(path=os.path.join(self._base, host.address))
        try:
            return await self._connector.connect(
                lambda: Connection(
                    Client(dialect), self._limits, self._loop, host, site=step.site, final=step.final, min_rate=self._min_rate
                ),
                endpoint,
                self._settings.smtp_connect_timeout,
            )
        except OSError as error:
            outcome = failures.unreachable(error, host.relay)
            if host.port:  # of a UNIX-domain socket there is no other to try, and the recipient's line says it all
                self._emit(Note(self._service, outcome.text))
            plan.failed(outcome, down=True)
            return None

    async def _dialect_with(self, host: Host) -> Dialect:
        """How to talk to `host`, of which a table may say that some keywords are not to be believed. Raises LookupFailure."""
        keywords = await self._discard_maps.find(host.address) if self._discard_maps else None
        return self._dialect if keywords is None else replace(self._dialect, discard=discarded(keywords))

    def _given_up(self, plan: Plan, host: Host, outcome: Outcome, attempt: Attempt, *, final: bool, down: bool) -> None:
        """The server would not talk; a permanent refusal is for all its colleagues. `down`: it is the server's doing."""
        if outcome.cls is Class.PERMANENT:
            attempt.finish(outcome, host.relay)
            return
        plan.failed(outcome, host.relay, down=down)
        if not final:
            self._emit(Note(self._service, outcome.text, queue_id=attempt.queue_id))

    async def _over(self, connection: Connection, attempt: Attempt, plan: Plan | None = None) -> bool:
        """One transaction; the attempt knows afterwards who is left for another host of the `plan`. False where nothing was tried,
        since the kept connection turned out to be dead."""
        host = connection.host
        try:
            request = await self._outgoing(attempt)
            if refused := unnameable(request.recipients):
                attempt.refuse(refused, host.relay)
                request = replace(request, recipients=tuple(r for r in request.recipients if r.index not in refused))
            if not request.recipients:
                self._release(attempt, connection)
                return True
            handover = prepare(request, request.recipients, connection.client.offered, self._manner, host.label)
        except Unsendable as reason:
            attempt.finish(reason.outcome, host.relay)
            self._release(attempt, connection)
            return True
        except (LookupFailure, OSError) as error:
            why = error.because() if isinstance(error, LookupFailure) else because("", reason=str(error))
            attempt.finish(Outcome(Class.TEMPORARY, "4.3.0", "mail system configuration error", why=why), host.relay)
            self._release(attempt, connection)
            return True
        transaction = handover.transaction
        lost: Outcome | None = None
        try:
            await connection.run(transaction, handover.pieces)
        except Broken as trouble:
            if trouble.fresh and connection.uses > 1:
                return False
            lost = failures.broken(trouble, host.label, lmtp=self._settings.lmtp)
            if plan is not None and connection.level is Level.MAY and await self._may_be_plain(connection, attempt):
                plan.plainly(host)
                connection.final = False
        except BaseException:
            connection.close()
            raise
        finally:
            self._remark(connection, attempt)
        if connection.uses > 1 and _shut(transaction.answers):
            connection.leave()
            return False
        if handover.encoder.broken:
            limit = self._manner.line_limit
            self._emit(Note(self._service, f"breaking line > {limit} bytes with <CR><LF>SPACE", queue_id=attempt.queue_id))
        self._record(connection, attempt, transaction.answers, lost)
        self._release(attempt, connection)
        return True

    async def _outgoing(self, attempt: Attempt) -> DeliveryRequest:
        """The request as it goes out, for the recipients that are left."""
        request = attempt.remaining()
        return request if self._rewrite is None else await self._rewrite(request)

    def _record(self, connection: Connection, attempt: Attempt, answers: Sequence[Answer | None], lost: Outcome | None) -> None:
        """Report whoever is decided over; the others are left for the next host, if there is one."""
        host = connection.host
        relayed = "DSN" in connection.client.offered.keywords
        left = []
        for queued, answer in zip(attempt.left, answers, strict=True):
            outcome = failures.said(answer, host.label, host.name) if answer is not None else lost
            if outcome is None:
                outcome = UNANSWERED
            report = Report(
                queued, outcome, host.relay, attempt.started, attempt.connected,
                connection.uses if connection.uses > 1 else 0, relayed and outcome.ok, relayed=True,
                reached=Reached.NO if outcome is lost else Reached.YES,
            )  # fmt: skip
            if outcome.cls is Class.TEMPORARY and not connection.final:
                self._emit(Note(self._service, outcome.text, queue_id=attempt.queue_id))
                attempt.soft[queued.index] = report
                left.append(queued)
            else:
                attempt.reports.append(report)
        attempt.left = left

    def _site(self, request: DeliveryRequest) -> str:
        """What a kept connection is known by: with authentication by sender it is of use for that sender only."""
        if self._authenticator is not None and self._authenticator.by_sender:
            return f"{request.nexthop} {request.message.envelope.sender}"
        return request.nexthop

    def _release(self, attempt: Attempt, connection: Connection) -> None:
        if not self._pool.give(self._site(attempt.request), connection):
            connection.leave(patiently=not self._settings.smtp_skip_quit_response)


def _shut(answers: Sequence[Answer | None]) -> bool:
    """Whether the server met the transaction with 421: it had closed the kept connection in its mind."""
    first = answers[0]
    return first is not None and first.stage is Stage.MAIL and first.reply.code == 421


def _as_they_are(hosts: list[Host]) -> None:
    """No shuffling (smtp_randomize_addresses = no)."""
