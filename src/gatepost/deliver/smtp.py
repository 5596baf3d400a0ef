"""The delivery agent for SMTP and LMTP (smtp(8), lmtp(8)): a driver that does what the plan says and reports how it went.

One agent serves one smtp or lmtp service of master.cf; it keeps connections and uses them for the next message to the same
site. What to try is decided in `plan`, what replies mean in `failures`, what goes over the wire in `handover` and `outgoing`;
`opening` makes connections ready.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from gatepost.config.ports import known_ports
from gatepost.deliver import failures
from gatepost.deliver.attempt import UNANSWERED, Attempt
from gatepost.deliver.authenticate import Authenticator
from gatepost.deliver.handover import Handover, TooLarge, Unsendable, prepare, unnameable
from gatepost.deliver.host_addresses import HostAddresses
from gatepost.deliver.next_hop import BadDestination, parse_all
from gatepost.deliver.opening import Opener
from gatepost.deliver.outgoing import Outgoing
from gatepost.deliver.pix import PixWorkarounds
from gatepost.deliver.plan import FindAddresses, FindExchangers, FindServices, Host, Plan, Shuffle, Stop, Try
from gatepost.deliver.pool import Pool
from gatepost.deliver.requiretls import RequireTlsRules
from gatepost.deliver.smtp_connection import Broken, Connection
from gatepost.deliver.smtp_options import asks_dns, cache_options, handover_options, host_preferences
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.deliver.srv_order import in_turn
from gatepost.deliver.sts import MtaSts
from gatepost.deliver.tls_level import Level
from gatepost.events.notes import HostFailed, LineBroken
from gatepost.events.records import Emit, Note
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps
from gatepost.mail.delivery import DeliveryRequest, Purpose, Reached, Report
from gatepost.mail.envelope import TlsRequired
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queued import ActiveMessage
from gatepost.mail.reason import because
from gatepost.net.connect import Connector
from gatepost.net.port import DnsFailure, Resolver, SecureSource
from gatepost.proto.smtp.client import Answer, ClientEvent, ClientStage
from gatepost.tlsrpt.outcome import Observe

PassOn = Callable[[DeliveryRequest], Awaitable[Sequence[Report]]]


class SmtpAgent:
    """Agent (mail/delivery.py) for one service.

    `outgoing`: what becomes of messages on their way out.
    `clock`: seconds since 1970.
    `shuffle`: orders hosts of one preference; `chance`: those of one priority of SRV records, a number from 0 to 1.
    `service`: its name in the log (`smtp`, `lmtp`).
    `own`: addresses of this host (inet_interfaces, proxy_interfaces).
    `best_mx`: who delivers what would loop back to this host (best_mx_transport).
    `final`: what servers take is delivered, not relayed (lmtp_assume_final).
    `pix_maps`: smtp_pix_workaround_maps.
    `base`, `tls_policies`, `tls_per_site`, `tls_loglevels`, `authenticator`, `discard_maps`, `reply_filter`, `dnssec`,
    `observe`, `sts`, `requiretls`: see `Opener`, which raises BadTlsPolicy.
    """

    def __init__(
        self,
        settings: SmtpSettings,
        resolver: Resolver,
        connector: Connector,
        outgoing: Outgoing,
        *,
        clock: Callable[[], float],
        shuffle: Shuffle,
        chance: Callable[[], float] = random.random,
        emit: Emit,
        service: str = "smtp",
        own: frozenset[str] = frozenset(),
        base: str = "",
        tls_policies: Maps | None = None,
        tls_per_site: Maps | None = None,
        tls_loglevels: Maps | None = None,
        authenticator: Authenticator | None = None,
        best_mx: PassOn | None = None,
        final: bool = False,
        discard_maps: Maps | None = None,
        reply_filter: Maps | None = None,
        pix_maps: Maps | None = None,
        dnssec: SecureSource | None = None,
        observe: Observe | None = None,
        sts: MtaSts | None = None,
        requiretls: RequireTlsRules | None = None,
    ) -> None:
        self._settings = settings
        self._resolver = resolver
        self._clock = clock
        self._shuffle = shuffle if settings.smtp_randomize_addresses else _as_they_are
        self._chance = chance
        self._emit = emit
        self._service = service
        self._outgoing = outgoing
        self._handover = handover_options(settings)
        self._ports = known_ports(settings.known_tcp_ports)
        self._hosts = host_preferences(settings, own)
        by_dns = "dns" in settings.smtp_host_lookup and asks_dns(settings)
        self._addresses = HostAddresses(resolver, self._hosts.families, dns=by_dns)
        self._opener = Opener(
            settings, connector, emit, service, base=base, tls_policies=tls_policies, tls_per_site=tls_per_site,
            tls_loglevels=tls_loglevels,
            authenticator=authenticator,
            discard_maps=discard_maps, reply_filter=reply_filter,
            pix=PixWorkarounds(settings, pix_maps, clock, emit, service),
            dnssec=dnssec if by_dns and settings.smtp_dns_support_level == "dnssec" else None,
            observe=observe, sts=sts, requiretls=requiretls,
        )  # fmt: skip
        self._best_mx = best_mx
        self._final = final
        self._pool = Pool(cache_options(settings), asyncio.get_running_loop().time)

    async def deliver(self, request: DeliveryRequest) -> Sequence[Report]:
        """One attempt: over a kept connection if there is one, then by plan for whoever is left."""
        attempt = Attempt(request, self._clock())
        kept = None if attempt.tls_required is TlsRequired.YES else self._pool.take(self._site(request))
        tried = frozenset[str]()
        if kept is not None:
            attempt.connected = attempt.started
            if await self._over(kept, attempt):
                tried = frozenset((kept.host.address,))
        if attempt.left:
            try:
                plan = self._plan(request.nexthop, tried)
            except BadDestination as bad:
                why = because("next hop", key=request.nexthop, reason=str(bad))
                attempt.finish(Outcome(Class.TEMPORARY, "4.3.5", str(bad), why=why))
            else:
                await self._follow(plan, attempt)
        return attempt.reports

    async def close(self) -> None:
        """Take leave of all servers that nothing is being delivered to."""
        self._pool.close()

    def _plan(self, nexthop: str, tried: frozenset[str]) -> Plan:
        settings = self._settings
        domains = asks_dns(settings) and not settings.lmtp
        services = () if settings.lmtp else settings.use_srv_lookup
        sites = parse_all(nexthop, settings.smtp_tcp_port, self._ports, exchangers=domains, services=services)
        primary = len(sites)
        if settings.smtp_fallback_relay and not settings.lmtp:
            sites += parse_all(settings.smtp_fallback_relay, settings.smtp_tcp_port, self._ports, exchangers=True)
        return Plan(sites, self._hosts, self._shuffle, primary=primary, tried=tried)

    async def _follow(self, plan: Plan, attempt: Attempt) -> None:
        """Do what the plan says until nobody is left or no host is."""
        while attempt.left:
            match plan.step():
                case FindExchangers(name):
                    try:
                        plan.exchangers(await self._resolver.mx(name))
                    except DnsFailure as failure:
                        plan.no_exchangers(failure)
                case FindServices(name):
                    try:
                        plan.services(in_turn(await self._resolver.srv(name), self._chance))
                    except DnsFailure as failure:
                        plan.no_services(failure)
                case FindAddresses(hosts):
                    plan.addresses(*await self._addresses.find(hosts, plan.port))
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

    async def _try(self, plan: Plan, step: Try, attempt: Attempt) -> None:
        """Connect to a host, say hello, deliver."""
        connection = await self._opener.open(plan, step, attempt)
        if connection is None:
            return
        plan.session()
        attempt.connected = self._clock()
        await self._over(connection, attempt, plan)

    async def _over(self, connection: Connection, attempt: Attempt, plan: Plan | None = None) -> bool:
        """One transaction; the attempt knows afterwards who is left for another host of the `plan`. False where nothing was tried,
        since the kept connection turned out to be dead."""
        host = connection.host
        try:
            request = await attempt.addressed(self._outgoing)
            if refused := unnameable(request.recipients):
                attempt.refuse(refused, host.relay)
                request = replace(request, recipients=tuple(r for r in request.recipients if r.index not in refused))
            if not request.recipients:
                self._release(attempt, connection)
                return True
            options = self._handover
            if options.dummy_auth and not connection.logged_in:
                options = replace(options, dummy_auth=False)
            offered, secure = connection.client.offered, connection.level > Level.NONE
            handover = prepare(request, request.recipients, offered, options, host.label, secure=secure)
        except Unsendable as reason:
            attempt.finish(reason.outcome, host.relay)
            if isinstance(reason, TooLarge) and not connection.uses:
                connection.close()  # as Postfix: for it this belongs to the hello, which it leaves without QUIT
            else:
                self._release(attempt, connection)
            return True
        except (LookupFailure, OSError) as error:
            attempt.finish(_misconfigured(error), host.relay)
            self._release(attempt, connection)
            return True
        transaction = handover.transaction
        lost: Outcome | None = None
        try:
            await self._hand_over(connection, handover, attempt.request.message)
        except Broken as trouble:
            if trouble.fresh and connection.uses > 1:
                return False
            lost = failures.broken(trouble, host.label, lmtp=self._settings.lmtp)
            if plan is not None and connection.level is Level.MAY and await self._opener.may_be_plain(connection, attempt):
                plan.plainly(host)
                connection.final = False
        except (LookupFailure, OSError) as error:  # the server waits for a content, and there is none
            connection.close()
            attempt.refuse(dict.fromkeys((attempt.left[n].index for n in transaction.pending), _misconfigured(error)), host.relay)
            transaction.answers = [answer for answer in transaction.answers if answer is not None]
        except BaseException:
            connection.close()
            raise
        finally:
            self._opener.remark(connection, attempt)
        if connection.uses > 1 and _shut(transaction.answers):
            connection.leave()
            return False
        if handover.encoder.broken:
            limit = self._handover.line_limit
            self._emit(LineBroken(self._service, limit, queue_id=attempt.queue_id))
        self._record(connection, attempt, transaction.answers, lost)
        self._release(attempt, connection)
        return True

    async def _hand_over(self, connection: Connection, handover: Handover, message: ActiveMessage) -> None:
        """The transaction; a content that has to be changed is so once the server waits for it. Raises Broken, LookupFailure,
        OSError."""
        if not self._outgoing.changes(to_seven_bit=handover.to_seven_bit):
            await connection.run(handover.transaction, handover.wire(message.content))
        elif await connection.run(handover.transaction, None) is ClientEvent.CONTENT:
            content = await self._outgoing.content(message, to_seven_bit=handover.to_seven_bit)
            await connection.send(handover.wire(content))

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
                connection.uses if connection.uses > 1 else 0, relayed and outcome.ok, relayed=not self._final,
                reached=Reached.NO if outcome is lost else Reached.YES,
            )  # fmt: skip
            if outcome.cls is Class.TEMPORARY and not connection.final:
                self._emit(HostFailed(self._service, outcome.text, outcome.why, queue_id=attempt.queue_id))
                attempt.soft[queued.index] = report
                left.append(queued)
            else:
                attempt.reports.append(report)
        attempt.left = left

    def _site(self, request: DeliveryRequest) -> str:
        """What a kept connection is known by: with authentication by sender it is of use for that sender only."""
        if self._opener.by_sender:
            return f"{request.nexthop} {request.message.envelope.sender}"
        return request.nexthop

    def _release(self, attempt: Attempt, connection: Connection) -> None:
        """Keep the connection, or take leave. One that was made for a probe is of no use: the mail may never come."""
        useful = connection.uses > 1 or attempt.request.purpose is not Purpose.VERIFY
        if not useful or not self._pool.give(self._site(attempt.request), connection):
            connection.leave(patiently=not self._settings.smtp_skip_quit_response)


def _shut(answers: Sequence[Answer | None]) -> bool:
    """Whether the server met the transaction with 421: it had closed the kept connection in its mind. No answers: all of them are
    settled already."""
    first = answers[0] if answers else None
    return first is not None and first.stage is ClientStage.MAIL and first.reply.code == 421


def _misconfigured(error: Exception) -> Outcome:
    """The outcome where a message cannot be brought into the form in which it goes out."""
    why = error.because() if isinstance(error, LookupFailure) else because("outgoing content", reason=str(error))
    return Outcome(Class.TEMPORARY, "4.3.0", "mail system configuration error", why=why)


def _as_they_are(hosts: list[Host]) -> None:
    """No shuffling (smtp_randomize_addresses = no)."""
