"""smtp(8) and lmtp(8) services of master.cf: an agent with the settings of its line. LMTP has each parameter under `lmtp_`."""

import random
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from gatepost.config.master import ServiceEntry
from gatepost.config.parameters.lmtp import lmtp_name
from gatepost.deliver.authenticate import Authenticator
from gatepost.deliver.client_flags import FlaggedAgent, client_flags
from gatepost.deliver.refused_logins import RefusedLogins
from gatepost.deliver.requiretls import RequireTlsRules
from gatepost.deliver.smtp import PassOn, SmtpAgent
from gatepost.deliver.smtp_settings import LmtpOnlySettings, LmtpSettings, SmtpSettings, as_smtp
from gatepost.deliver.sts import MtaSts
from gatepost.deliver.sts_cache import StsCache
from gatepost.deliver.sts_fetch import over_https
from gatepost.events.records import Emit, Note
from gatepost.lookup.address import Keys, find_address
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.registry import Maps, Tables
from gatepost.mail.delivery import Agent, DeliveryRequest, Report
from gatepost.mail.outcome import deferred
from gatepost.mail.reason import Reason
from gatepost.net.connect import SocketConnector
from gatepost.net.port import AnswerSource, Resolver
from gatepost.net.searching import SearchingResolver, system_search_list
from gatepost.service.materials import Materials
from gatepost.service.outgoing import outgoing
from gatepost.service.reply_filter import filtered, filtered_tlsa
from gatepost.service.ways import WayOut

_UNAVAILABLE = deferred("mail transport unavailable", "4.3.0", Reason("best_mx_transport"))


async def smtp_agent(materials: Materials, way_out: WayOut, entry: ServiceEntry) -> Agent:
    """The agent of an smtp or lmtp service."""
    view, overrides, emit = materials.configuration.view, entry.overrides, materials.emitter(entry)
    tables = materials.tables(entry.command, emit, entry.overrides)
    lmtp = entry.command == "lmtp"
    settings = as_smtp(view(LmtpSettings, overrides)) if lmtp else view(SmtpSettings, overrides)

    def maps(name: str) -> Maps:
        parameter = lmtp_name(name) if lmtp else name
        return tables.maps(materials.configuration.value(parameter, overrides), parameter)

    dns_filter = maps("smtp_dns_reply_filter")
    resolver = filtered(_resolver(materials, settings), dns_filter, emit, entry.command)
    agent = SmtpAgent(
        settings,
        resolver,
        SocketConnector(
            settings.smtp_bind_address,
            settings.smtp_bind_address6,
            None if settings.smtp_bind_address_enforce else materials.teller(entry.command, emit),
        ),
        outgoing(materials, way_out.staging, overrides, entry.command, tables, emit),
        clock=materials.clock,
        shuffle=random.shuffle,
        emit=emit,
        service=entry.command,
        own=materials.own_addresses,
        base=str(materials.queue_directory),
        tls_policies=maps("smtp_tls_policy_maps"),
        tls_per_site=maps("smtp_tls_per_site"),
        tls_loglevels=maps("smtp_tls_loglevel_maps"),
        authenticator=_authenticator(materials, entry, settings, maps("smtp_sasl_password_maps"), tables),
        best_mx=_best_mx(materials, way_out, entry, emit),
        final=lmtp and view(LmtpOnlySettings, overrides).lmtp_assume_final,
        reply_filter=maps("smtp_reply_filter"),
        discard_maps=maps("smtp_discard_ehlo_keyword_address_maps"),
        pix_maps=maps("smtp_pix_workaround_maps"),
        dnssec=filtered_tlsa(materials.dnssec, dns_filter, emit, entry.command),
        sts=_mta_sts(materials, settings, resolver, emit, entry.command),
        observe=way_out.observer(entry),
        requiretls=_requiretls(settings, tables),
    )
    flags = client_flags(entry.arguments)
    return FlaggedAgent(agent, flags, entry.command, materials.clock, emit) if flags else agent


def _resolver(materials: Materials, settings: SmtpSettings) -> AnswerSource:
    """The resolver, with what smtp_dns_resolver_options asks for."""
    options = settings.smtp_dns_resolver_options
    return SearchingResolver(materials.resolver, system_search_list(), options) if options else materials.resolver


def _mta_sts(materials: Materials, settings: SmtpSettings, resolver: Resolver, emit: Emit, service: str) -> MtaSts | None:
    """Who asks domains for their policies, None where nobody does."""
    if settings.smtp_tls_mta_sts == "no":
        return None
    seconds = settings.smtp_tls_mta_sts_timeout
    fetch = over_https(
        materials.network(), seconds=seconds, ca_file=settings.smtp_tls_CAfile, ca_path=settings.smtp_tls_CApath,
        warn=materials.teller(service, emit),
    )  # fmt: skip
    return MtaSts(
        StsCache(materials.state, materials.clock), resolver, fetch,
        enforcing=settings.smtp_tls_mta_sts == "yes", seconds=seconds, clock=materials.clock, emit=emit, service=service,
    )  # fmt: skip


def _requiretls(settings: SmtpSettings, tables: Tables) -> RequireTlsRules | None:
    """How far REQUIRETLS is insisted on, None where it is not known."""
    if not settings.requiretls_enable:
        return None
    name = "smtp_requiretls_policy"
    return RequireTlsRules(settings.smtp_requiretls_policy, tables, lmtp_name(name) if settings.lmtp else name)


class _Addresses(Struct, frozen=True):
    """How addresses are looked up."""

    recipient_delimiter: str
    owner_request_special: bool


def _authenticator(
    materials: Materials, entry: ServiceEntry, settings: SmtpSettings, passwords: Maps, tables: Tables
) -> Authenticator | None:
    """Who logs in, None where nobody has a password."""
    if not settings.smtp_sasl_auth_enable or passwords.empty:
        return None
    name = lmtp_name("smtp_sasl_mechanism_filter") if settings.lmtp else "smtp_sasl_mechanism_filter"
    listed = MatchList.strings(settings.smtp_sasl_mechanism_filter, tables, name, tables.warn)
    remembers = bool(settings.smtp_sasl_auth_cache_name)
    refused = RefusedLogins(materials.state, settings.smtp_sasl_auth_cache_time, materials.clock) if remembers else None
    addresses = materials.configuration.view(_Addresses, entry.overrides)

    async def of_sender(sender: str) -> str | None:
        found = await find_address(
            passwords, sender, Keys.REWRITE, delimiters=addresses.recipient_delimiter,
            owner_request_special=addresses.owner_request_special,
        )  # fmt: skip
        return None if found is None else found.value

    return Authenticator(settings, passwords, of_sender, None if listed.empty else listed.matches, refused, tables.warn)


def _best_mx(materials: Materials, way_out: WayOut, entry: ServiceEntry, emit: Emit) -> PassOn | None:
    """best_mx_transport, `transport` or `transport:nexthop`: who delivers what would loop back to this host."""
    transport, _, nexthop = materials.configuration.value("best_mx_transport", entry.overrides).partition(":")
    if not transport:
        return None

    async def pass_on(request: DeliveryRequest) -> Sequence[Report]:
        try:
            agent = await way_out.agent(transport)
        except LookupError:
            emit(Note(entry.command, f"best_mx_transport: mail transport {transport} is not known", "warning"))
            return [Report(recipient, _UNAVAILABLE) for recipient in request.recipients]
        reports = await agent.deliver(replace(request, transport=transport, nexthop=nexthop or request.nexthop))
        return [replace(report, service=report.service or way_out.program(transport)) for report in reports]

    return pass_on
