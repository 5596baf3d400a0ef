"""Connections of the SMTP and LMTP clients made ready for a transaction: connected, greeted, secured, authenticated.

Contract: what does not do is told to the plan, which says what comes next.
Failure: none is raised but what nobody expected; the connection is closed then.
"""

import asyncio
import os

from msgspec.structs import replace

from gatepost.deliver import failures
from gatepost.deliver.attempt import Attempt
from gatepost.deliver.authenticate import Authenticator, NotAuthenticated
from gatepost.deliver.dane import Dane, NoDane
from gatepost.deliver.dnssec_probe import ProbedSource
from gatepost.deliver.pix import DELAY_DOTCRLF, DISABLE_ESMTP, PixWorkarounds
from gatepost.deliver.plan import Host, Plan, Try
from gatepost.deliver.requiretls import Insistence, RequireTlsRules
from gatepost.deliver.requiretls import lack as lack_of
from gatepost.deliver.smtp_connection import Broken, Connection
from gatepost.deliver.smtp_options import dialect_of, discarded, limits_of
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.deliver.starttls import NoSecurity, NotRequiredTls, Security, tls_failure
from gatepost.deliver.sts import MtaSts
from gatepost.deliver.tls_level import BadTlsPolicy, Level
from gatepost.deliver.tls_policy import NO_TLS, TlsPolicies, TlsPolicy, domain_of
from gatepost.events.notes import HostFailed
from gatepost.events.records import Emit, Note
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps
from gatepost.mail.envelope import TlsRequired
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.reason import Reason, because
from gatepost.net.connect import Connector, Endpoint
from gatepost.net.port import SecureSource
from gatepost.proto.smtp.client import Client, ClientEvent, Dialect
from gatepost.tlsrpt.outcome import Observe, PolicyFailure, TlsOutcome


class Opener:
    """Of one service, `service` in the log.

    `base`: the directory that paths of UNIX-domain sockets are relative to (queue_directory).
    `tls_policies`: smtp_tls_policy_maps; `tls_per_site`: smtp_tls_per_site;
    `tls_loglevels`: smtp_tls_loglevel_maps.
    `authenticator`: logs in, None: nobody does.
    `discard_maps`: smtp_discard_ehlo_keyword_address_maps.
    `reply_filter`: smtp_reply_filter.
    `pix`: workarounds for masked greetings.
    `dnssec`: whom DANE asks; None where smtp_dns_support_level or smtp_host_lookup has it that nobody is asked.
    `observe`: hears how TLS came out with each server, None: nobody does.
    `sts`: whom MTA-STS asks; None where nobody is asked.
    `requiretls`: smtp_requiretls_policy, None where REQUIRETLS is not known (requiretls_enable).

    Raises BadTlsPolicy where smtp_tls_security_level names no level.
    """

    def __init__(
        self,
        settings: SmtpSettings,
        connector: Connector,
        emit: Emit,
        service: str,
        *,
        base: str,
        tls_policies: Maps | None,
        tls_per_site: Maps | None,
        tls_loglevels: Maps | None,
        authenticator: Authenticator | None,
        discard_maps: Maps | None,
        reply_filter: Maps | None,
        pix: PixWorkarounds,
        dnssec: SecureSource | None,
        observe: Observe | None,
        sts: MtaSts | None,
        requiretls: RequireTlsRules | None,
    ) -> None:
        self._settings = settings
        self._connector = connector
        self._emit = emit
        self._service = service
        self._base = base
        self._loop = asyncio.get_running_loop()
        self._pix = pix
        self._dialect = replace(dialect_of(settings, reply_filter), masked=not pix.idle)
        self._limits = limits_of(settings)
        self._min_rate = settings.smtp_min_data_rate if settings.smtp_per_request_deadline else 0
        if dnssec is not None:
            dnssec = ProbedSource(dnssec, settings.dnssec_probe, lambda text: emit(Note(service, text, "warning")))
        self._tls = TlsPolicies(settings, Dane(settings, dnssec, emit, service), tls_policies, tls_per_site, tls_loglevels, sts)
        if tls_policies and not tls_policies.empty and tls_per_site and not tls_per_site.empty:
            text = f"{tls_per_site.title} ignored when {tls_policies.title} is not empty."
            emit(Note(service, text, "warning"))
        self._observe = observe
        self._security = Security(settings, emit, service, observe)
        self._requiretls = requiretls
        self._authenticator = authenticator
        self._discard_maps = discard_maps

    @property
    def by_sender(self) -> bool:
        """Whether a connection is good for mail of one sender only."""
        return self._authenticator is not None and self._authenticator.by_sender

    async def open(self, plan: Plan, step: Try, attempt: Attempt) -> Connection | None:
        """A connection that is ready for a transaction; else None, and the plan knows why."""
        host, site = step.host, step.site
        try:
            policy = await self._policy(step, attempt)
        except NoDane as reason:
            self._emit(Note(self._service, f"TLS policy lookup for {site.removeprefix('inet:')}/{host.name}: {reason}", "warning"))
            why = because("TLSA", "DNS", host.name, str(reason))
            plan.failed(Outcome(Class.TEMPORARY, "4.7.5", str(reason), why=why))
            self._tell_policy_failure(step, attempt, reason.failure(host.name), str(reason))
            return None
        except BadTlsPolicy as bad:
            rule, failure, (enhanced, text) = bad.rule, bad.failure, bad.told
            for warning in (str(bad), f"TLS policy lookup for {site.removeprefix('inet:')}/{host.name}: {text}"):
                self._emit(Note(self._service, warning, "warning"))
            why = because(rule, key=site, reason=str(bad)) if failure is None else failure.because(rule, site)
            plan.failed(Outcome(Class.TEMPORARY, enhanced, text, why=why))
            self._tell_policy_failure(step, attempt, bad.reported, str(bad))
            return None
        if self._observe is not None and attempt.reports_tls:
            policy = replace(policy, reported=None)
        connection = await self._connected(plan, step)
        if connection is None:
            return None
        insecure, alone, down = False, False, True
        try:
            outcome = await self._made_ready(connection, policy, attempt)
        except Broken as trouble:
            outcome = failures.broken(trouble, host.label, lmtp=self._settings.lmtp)
            insecure = connection.level is Level.MAY
        except (NoSecurity, NotAuthenticated) as lack:
            outcome = replace(lack.outcome, why=_why(lack.outcome, host, policy))
            insecure = isinstance(lack, NoSecurity) and lack.handshake and policy.level is Level.MAY
            alone = isinstance(lack, NotRequiredTls)
            down = not alone
        except LookupFailure as failure:
            why = failure.because("smtp_sasl_password_maps", host.name)
            text = f"local data error while talking to {host.label}"
            outcome, down = Outcome(Class.TEMPORARY, "4.3.0", text, why=why), False
        except BaseException:
            connection.close()
            raise
        finally:
            self.remark(connection, attempt)
        if outcome is None:
            # Not by others, for whom TLS may do, or has to.
            connection.client.usable &= not step.plain and attempt.tls_required is not TlsRequired.NO
            return connection
        connection.leave()
        again = insecure and await self.may_be_plain(connection, attempt)
        if again:
            plan.plainly(host)
        self._given_up(plan, host, outcome, attempt, final=step.final and not again, alone=alone, down=down)
        return None

    async def _policy(self, step: Try, attempt: Attempt) -> TlsPolicy:
        """How the host of a `step` is to be talked to, for what the sender of the mail says. Raises BadTlsPolicy, NoDane."""
        site, host = step.site, step.host
        if attempt.tls_required is TlsRequired.YES and self._requiretls is not None:
            attempt.insistence = await self._requiretls.find(site)
            return NO_TLS if step.plain else await self._tls.find(site, host, least=Level.MAY)
        if step.plain or self._tls.idle:
            return NO_TLS
        if attempt.tls_required is TlsRequired.NO and not await self._has_password(step, attempt, unsure=True):
            return await self._tls.find(site, host, most=Level.ENCRYPT if self._settings.smtp_tls_wrappermode else Level.MAY)
        return await self._tls.find(site, host)

    def _tell_policy_failure(self, step: Try, attempt: Attempt, failure: PolicyFailure | None, reason: str) -> None:
        """Whoever makes reports hears of a session that a policy of the other side did not let come about."""
        if self._observe is not None and failure is not None and not attempt.reports_tls:
            host = step.host
            self._observe(TlsOutcome(domain_of(step.site), failure.policy, host.name, host.address, failure.result, reason))

    async def _made_ready(self, connection: Connection, policy: TlsPolicy, attempt: Attempt) -> Outcome | None:
        """Hello, TLS, authentication; the outcome where the server will not talk to us. Raises Broken, NoSecurity,
        NotAuthenticated, LookupFailure."""
        client, host, wrapped = connection.client, connection.host, self._settings.smtp_tls_wrappermode
        if wrapped:
            await self._security.wrap(connection, policy)
        event = await connection.greeted()
        if event is ClientEvent.MASKED:
            event = await self._worked_around(connection, attempt)
        if event is ClientEvent.READY and not wrapped:
            lack = await self._security.hello(connection, policy)
            if lack and await self._has_password(connection, attempt):
                raise NoSecurity(tls_failure("4.7.4", f"{lack}; the password for it is not sent in the clear"))
        if client.refusal is None and attempt.insistence is not None:
            offered = "REQUIRETLS" in client.offered.keywords
            if (outcome := lack_of(attempt.insistence, policy, connection.level, offered, host.label)) is not None:
                raise NotRequiredTls(outcome)
        if client.refusal is None and self._authenticator is not None:
            await self._authenticator.log_in(connection, attempt.sender, verified=policy.level > Level.ENCRYPT)
        if client.refusal is None:
            return None
        soften = self._settings.smtp_skip_5xx_greeting and not client.greeted and client.refusal.cls == 5
        return failures.refused(client.refusal, host.label, host.name, soften=soften)

    async def _worked_around(self, connection: Connection, attempt: Attempt) -> ClientEvent:
        """Say hello through a firewall that masks greetings. Raises Broken."""
        found = await self._pix.find(connection.host, attempt)
        if DELAY_DOTCRLF in found:
            connection.dot_delay = self._settings.smtp_pix_workaround_delay_time
        connection.client.hello(extended=DISABLE_ESMTP not in found)
        return await connection.said()

    async def may_be_plain(self, connection: Connection, attempt: Attempt) -> bool:
        """Whether a host with which TLS failed, that is not required, may be tried without it: not before the message has waited,
        and never where a password could be said in the clear (TLS_README, "Opportunistic TLS")."""
        if attempt.insistence not in (None, Insistence.OPPORTUNISTIC):
            return False
        waited = attempt.request.probe or attempt.waited >= self._settings.minimal_backoff_time
        return waited and not await self._has_password(connection, attempt, unsure=True)

    async def _has_password(self, server: Connection | Try, attempt: Attempt, *, unsure: bool | None = None) -> bool:
        """Whether there is a password for this server. `unsure`: what counts where a table cannot say; None: raises
        LookupFailure."""
        who = self._authenticator
        try:
            return who is not None and await who.knows(server, attempt.sender)
        except LookupFailure:
            if unsure is None:
                raise
            return unsure

    def remark(self, connection: Connection, attempt: Attempt) -> None:
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
        except LookupFailure as failure:  # the tables have said so in the log
            text, why = f"local data error while talking to {host.label}", failure.because(key=host.address)
            plan.failed(Outcome(Class.TEMPORARY, "4.3.0", text, why=why))
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
                self._emit(HostFailed(self._service, outcome.text, outcome.why))
            plan.failed(outcome, down=True)
            return None

    async def _dialect_with(self, host: Host) -> Dialect:
        """How to talk to `host`, of which a table may say that some keywords are not to be believed. Raises LookupFailure."""
        keywords = await self._discard_maps.find(host.address) if self._discard_maps else None
        return self._dialect if keywords is None else replace(self._dialect, discard=discarded(keywords))

    def _given_up(
        self, plan: Plan, host: Host, outcome: Outcome, attempt: Attempt, *, final: bool, alone: bool, down: bool
    ) -> None:
        """The server would not talk; a permanent refusal is for all its colleagues, unless it is for it `alone`. `down`: it is the
        server's doing."""
        if outcome.cls is Class.PERMANENT and not alone:
            attempt.finish(outcome, host.relay)
            return
        plan.failed(outcome, host.relay, down=down)
        if not final:
            self._emit(HostFailed(self._service, outcome.text, outcome.why, queue_id=attempt.queue_id))


def _why(outcome: Outcome, host: Host, policy: TlsPolicy) -> Reason:
    """What stands against a host: under MTA-STS, the policy of its domain."""
    why, sts = replace(outcome.why, table=host.label), policy.sts
    if sts is None or not policy.by_sts:
        return why
    return because("smtp_tls_mta_sts", host.label, sts.domain, f"{sts.title}: {why.reason}")
