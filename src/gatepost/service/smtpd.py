"""smtpd services of master.cf: policy, cleanup, TLS and lists put together with the settings of that line."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import structs

from gatepost.config.configuration import Configuration
from gatepost.config.master import ServiceEntry
from gatepost.events.records import Emit, Note
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Tables
from gatepost.net.tickets import Secret, Tickets
from gatepost.net.tls import ServerTls, TlsServerSettings
from gatepost.net.tls_parameters import NoCertificates, TlsFailure
from gatepost.proto.smtp.commands import LMTP, SMTP
from gatepost.receive.port import ClientList, Lookups, WordList, no_word
from gatepost.receive.proxy_filter import ProxyFilter
from gatepost.receive.session_limit import SessionLimit
from gatepost.receive.settings import SmtpdSettings
from gatepost.receive.smtpd import SmtpdService
from gatepost.routing.resolve import BAD_SYNTAX
from gatepost.service.gates import smtpd_gates
from gatepost.service.materials import Materials
from gatepost.service.policy import restriction_policy
from gatepost.service.postscreen_tls import tls_overrides
from gatepost.service.proxy_filter import open_proxy_filter
from gatepost.service.rewriting_clients import rewrites_logins, rewriting_clients
from gatepost.service.sasl import server_sasl
from gatepost.service.server_names import server_names
from gatepost.service.session_notice import SessionNotices, SessionNoticeSettings
from gatepost.service.settings import as_list
from gatepost.service.submission import brake_gate
from gatepost.service.ways import WayIn


def open_service(
    materials: Materials, way_in: WayIn, entry: ServiceEntry, tls: ServerTls | TlsFailure | None, limit: SessionLimit
) -> SmtpdService:
    """The service of one smtpd line, with what load_tls() gave for it and its share of the room. Raises ConfigurationError.

    Without a usable certificate there is no TLS, and the log says why; where TLS is required, nothing is taken then."""
    configuration, overrides = materials.configuration, entry.overrides
    emit = materials.emitter(entry)
    proxy_filter = open_proxy_filter(materials, overrides, way_in.folder, emit)
    settings = _settings(configuration, overrides, proxy_filter)
    tables = materials.tables("smtpd", emit, entry.overrides)
    process_limit = materials.settings.default_process_limit if entry.process_limit is None else entry.process_limit
    if isinstance(tls, TlsFailure):
        told = str(tls) if isinstance(tls, NoCertificates) else f"{tls}: TLS is disabled for {entry.name}"
        emit(Note("smtpd", told, "warning"))
    elif tls is not None:
        for warning in tls.warnings:
            emit(Note("smtpd", warning, "warning"))
    policy = restriction_policy(materials, overrides, tables, emit, way_in.verifier)
    brake = brake_gate(materials, overrides, tables, emit, way_in.notify)
    gates = smtpd_gates(materials, overrides, policy, tables, emit, brake)
    return SmtpdService(
        settings,
        name=entry.name,
        gates=gates,
        admission=way_in.admission(overrides, gates),
        new_id=way_in.new_id,
        resolver=materials.resolver,
        counters=materials.counters,
        emit=emit,
        clock=materials.clock,
        lookups=_lookups(materials, way_in, entry, tables, emit, proxy_filter),
        tls=tls if isinstance(tls, ServerTls) else None,
        tls_unavailable=isinstance(tls, TlsFailure),
        tls_required=configuration.view(TlsServerSettings, overrides).requires_tls,
        dialect=LMTP if entry.program == "lmtpd" else SMTP,
        stressed=_settings(configuration, {**overrides, "stress": "yes"}, proxy_filter),
        process_limit=process_limit or 1 << 30,
        limit=limit,
        proxy_filter=proxy_filter,
        sasl=server_sasl(materials, overrides, tables, emit),
        tells_permits=materials.log.takes_records,
    )


def _settings(configuration: Configuration, overrides: Mapping[str, str], proxy_filter: ProxyFilter | None) -> SmtpdSettings:
    """Those of a service. A before-queue filter gets the content by DATA, which binary content does not go through."""
    settings = configuration.view(SmtpdSettings, overrides)
    return settings if proxy_filter is None else structs.replace(settings, smtpd_binarymime_enable=False)


def _lookups(
    materials: Materials, way_in: WayIn, entry: ServiceEntry, tables: Tables, emit: Emit, proxy_filter: ProxyFilter | None
) -> Lookups:
    """What a service asks. Content that a before-queue filter gets as it comes needs no room in our queue."""
    lookups = _Lists(materials, way_in, entry, tables, emit).lookups()
    needs_room = proxy_filter is None or proxy_filter.waits
    return lookups if needs_room else structs.replace(lookups, room_for=lambda size: True)


def load_tls(
    configuration: Configuration, entry: ServiceEntry, emit: Emit, secrets: Callable[[], Sequence[Secret]] | None = None
) -> ServerTls | TlsFailure | None:
    """The TLS of a service, None where it has none. To be called while we are still root, whose alone private keys are. `secrets`:
    those of session tickets, which all workers share."""
    overrides = tls_overrides(configuration, entry)
    settings = configuration.view(TlsServerSettings, overrides)
    wrapper = configuration.view(SmtpdSettings, overrides).smtpd_tls_wrappermode
    if not wrapper and not settings.offers_tls:
        return None
    try:
        names = server_names(configuration, entry, lambda text: emit(Note("smtpd", text, "warning")))
        tickets = Tickets(secrets, entry.key, time.time) if secrets else None
        return ServerTls(settings, wrapper=wrapper, names=names, tickets=tickets)
    except TlsFailure as failure:
        return failure


class _Lists:
    """The lists and questions of one service, each bound to its parameter."""

    def __init__(self, materials: Materials, way_in: WayIn, entry: ServiceEntry, tables: Tables, emit: Emit) -> None:
        self._materials = materials
        self._way_in = way_in
        self._entry = entry
        self._tables = tables
        self._emit = emit
        self._warn = tables.warn
        self._least_free = max(int(self._value("queue_minfree")), int(self._value("message_size_limit")) * 3 // 2)

    def lookups(self) -> Lookups:
        return Lookups(
            xclient_hosts=self._clients("smtpd_authorized_xclient_hosts"),
            xforward_hosts=self._clients("smtpd_authorized_xforward_hosts"),
            event_exceptions=_or_none(self._clients("smtpd_client_event_limit_exceptions")),
            bare_newline_exclusions=_or_none(self._clients("smtpd_forbid_bare_newline_exclusions")),
            verp_clients=self._clients("smtpd_authorized_verp_clients"),
            local_rewrite=self._rewriting_clients(),
            sasl_exceptions=self._clients("smtpd_sasl_exceptions_networks"),
            certified=self._lookup("relay_clientcerts") or _nothing,
            rewrites_logins=rewrites_logins(self._value("local_header_rewrite_clients")),
            debug_peers=self._debug_peers(),
            noop=self._words("smtpd_noop_commands"),
            forbidden=self._words("smtpd_forbidden_commands") or no_word,
            well_formed=self._well_formed,
            flush=self._flush,
            discard_keywords=self._lookup("smtpd_discard_ehlo_keyword_address_maps") or _nothing,
            command_filter=self._lookup("smtpd_command_filter"),
            footer=self._lookup("smtpd_reject_footer_maps"),
            reject_filter=self._lookup("smtpd_reject_filter_maps"),
            room_for=self._room_for,
            own_sender=self._way_in.verifier.sender.known,
            tls_loglevel=self._lookup("smtpd_tls_loglevel_maps"),
            report=self._notices(),
        )

    def _notices(self) -> SessionNotices:
        settings = self._materials.configuration.view(SessionNoticeSettings, self._entry.overrides)
        return SessionNotices(settings, self._way_in.notify, self._materials.clock, self._emit)

    def _value(self, name: str) -> str:
        return self._materials.configuration.value(name, self._entry.overrides)

    def _clients(self, name: str) -> Callable[[str, str], Awaitable[bool]]:
        return MatchList.hosts(self._value(name), self._tables, name, self._warn).matches

    def _debug_peers(self) -> ClientList | None:
        return _or_none(self._clients("debug_peer_list")) if self._value("debug_peer_list") else None

    def _words(self, name: str) -> WordList | None:
        """A list of commands, None where it is empty."""
        listed = MatchList.strings(self._value(name), self._tables, name, self._warn)
        return None if listed.empty else _or_none(listed.matches)

    def _lookup(self, name: str) -> Callable[[str], Awaitable[str | None]] | None:
        maps = self._tables.maps(self._value(name), name)
        return None if maps.empty else maps.find

    def _rewriting_clients(self) -> Callable[[str, str], Awaitable[bool]]:
        """local_header_rewrite_clients: whose headers are completed as ours."""
        return rewriting_clients(
            self._value("local_header_rewrite_clients"),
            self._tables,
            own=MatchList.addresses(as_list(self._materials.own_addresses), self._tables, "inet_interfaces", self._warn),
            networks=MatchList.hosts(self._value("mynetworks"), self._tables, "mynetworks", self._warn),
        )

    async def _well_formed(self, address: str, sender: str) -> bool:
        try:
            return (await self._materials.routing.resolve(address, sender)).failure is not BAD_SYNTAX
        except LookupFailure:
            return True

    async def _flush(self, domain: str) -> bool | None:
        """ETRN: have mail for a domain tried now, if it is one of fast_flush_domains."""
        listed = MatchList.domains(self._value("fast_flush_domains"), self._tables, "fast_flush_domains", self._warn, parents=True)
        if not await listed.matches(domain):
            return None
        await self._way_in.flush()
        return True

    def _room_for(self, size: int) -> bool:
        """smtpd(8): room for one and a half message_size_limit, or queue_minfree if that is more."""
        free = self._way_in.free_space()
        enough = free >= self._least_free
        if not enough:
            self._warn(f"not enough free space in mail queue: {free} bytes < 1.5*message size limit")
        return enough and free >= size


def _or_none(listed: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[bool]]:
    """A list that nothing depends on: where it cannot be asked, which the log has then, it lists nobody."""

    async def asked(*names: str) -> bool:
        try:
            return await listed(*names)
        except LookupFailure:
            return False

    return asked


async def _nothing(key: str) -> str | None:
    return None
