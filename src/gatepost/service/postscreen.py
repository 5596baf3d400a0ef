"""postscreen lines of master.cf: lists, tables, DNS lists and results that all workers share, with the settings of that line."""

from collections.abc import Awaitable, Callable, Mapping

from msgspec import structs

from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.faults import Fault
from gatepost.config.master import ServiceEntry
from gatepost.events.records import Note
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.registry import Tables
from gatepost.net.tls import ServerTls, TlsServerSettings
from gatepost.net.tls_parameters import NoCertificates, TlsFailure
from gatepost.receive.postscreen.access import AccessList
from gatepost.receive.postscreen.cache import ResultCache
from gatepost.receive.postscreen.dns_lists import DnsLists, parse_sites
from gatepost.receive.postscreen.port import Lookups, Ports
from gatepost.receive.postscreen.service import PostscreenService
from gatepost.receive.postscreen.settings import PostscreenSettings
from gatepost.receive.session_limit import SessionLimit
from gatepost.receive.smtpd import SmtpdService
from gatepost.service.materials import Materials
from gatepost.service.postscreen_tls import tls_overrides
from gatepost.service.ways import WayIn

Find = Callable[[str], Awaitable[str | None]]


def open_service(
    materials: Materials, way_in: WayIn, entry: ServiceEntry, tls: ServerTls | TlsFailure | None, limit: SessionLimit
) -> "Postscreen":
    """The service of one postscreen line, with what load_tls() gave for it. Raises ConfigurationError."""
    configuration, overrides = materials.configuration, entry.overrides
    emit = materials.emitter(entry)
    settings = _view(configuration, overrides)
    tables = materials.tables("postscreen", emit, entry.overrides)
    if isinstance(tls, TlsFailure):
        told = str(tls) if isinstance(tls, NoCertificates) else f"{tls}: TLS is disabled for {entry.name}"
        emit(Note("postscreen", told, "warning"))
    ports = Ports(
        name=entry.name,
        lookups=_lookups(materials, settings, entry, tables),
        cache=ResultCache(materials.state, settings.postscreen_cache_retention_time),
        counters=materials.counters,
        dns_lists=_dns_lists(materials, settings, entry, tables),
        emit=emit,
        fault=materials.fault,
        clock=materials.clock,
        tls=tls if isinstance(tls, ServerTls) else None,
        tls_required=configuration.view(TlsServerSettings, tls_overrides(configuration, entry)).requires_tls,
    )
    stressed = _view(configuration, {**overrides, "stress": "yes"})
    return Postscreen(settings, ports, entry=entry, limit=limit, stressed=stressed)


def _view(configuration: Configuration, overrides: Mapping[str, str]) -> PostscreenSettings:
    """The settings, with smtpd's where a text that is expanded when it is used (`$client_address`) stands for that of smtpd."""
    settings = configuration.view(PostscreenSettings, overrides)
    of_smtpd = {
        name: configuration.value(value[1:], overrides)
        for name in ("postscreen_reject_footer", "postscreen_expansion_filter")
        if (value := configuration.value(name, overrides)).removeprefix("$") in configuration.parameters
    }
    return structs.replace(settings, **of_smtpd)


class Postscreen(PostscreenService):
    """A PostscreenService that finds the smtpd to which its clients go."""

    def __init__(
        self, settings: PostscreenSettings, ports: Ports, *, entry: ServiceEntry, limit: SessionLimit, stressed: PostscreenSettings
    ) -> None:
        super().__init__(settings, ports, limit=limit, stressed=stressed)
        self._entry = entry

    def find_successor(self, services: Mapping[str, object]) -> None:
        """Raises ConfigurationError where master.cf has no `smtpd pass` line (smtpd_service_name)."""
        name = self.settings.smtpd_service_name
        found = services.get(f"{name}/pass")
        if not isinstance(found, SmtpdService):
            told = f"service {self._entry.key}: postscreen has no service {name}/pass for the clients that pass"
            remedy = f"add the line: {name} pass - - n - - smtpd"
            raise ConfigurationError([Fault(self._entry.file, self._entry.line, told, remedy)])
        self.successor = found


def _dns_lists(materials: Materials, settings: PostscreenSettings, entry: ServiceEntry, tables: Tables) -> DnsLists | None:
    try:
        sites = parse_sites(settings.postscreen_dnsbl_sites)
    except ValueError as error:
        remedy = "write domain, domain=d.d.d.d, domain*weight or domain=d.d.d.d*weight"
        fault = materials.configuration.fault("postscreen_dnsbl_sites", str(error), remedy, entry.overrides)
        raise ConfigurationError([fault]) from None
    if not sites:
        return None
    return DnsLists(
        sites,
        materials.resolver,
        _find(tables, settings.postscreen_dnsbl_reply_map, "postscreen_dnsbl_reply_map") or _nothing,
        emit=materials.emitter(entry),
        fault=materials.fault,
        clock=materials.clock,
        keep=settings.postscreen_dnsbl_min_ttl,
        time_limit=settings.postscreen_dnsbl_timeout,
    )


def _lookups(materials: Materials, settings: PostscreenSettings, entry: ServiceEntry, tables: Tables) -> Lookups:
    networks = MatchList.hosts(materials.configuration.value("mynetworks", entry.overrides), tables, "mynetworks", tables.warn)
    interfaces = MatchList.addresses(
        settings.postscreen_allowlist_interfaces, tables, "postscreen_allowlist_interfaces", tables.warn
    )
    forbidden = MatchList.strings(settings.postscreen_forbidden_commands, tables, "postscreen_forbidden_commands", tables.warn)
    return Lookups(
        access=AccessList(settings.postscreen_access_list, tables, networks).find,
        may_pass=interfaces.matches,
        forbidden=forbidden.matches,
        discard_keywords=_find(
            tables, settings.postscreen_discard_ehlo_keyword_address_maps, "postscreen_discard_ehlo_keyword_address_maps"
        ),
        command_filter=_find(tables, settings.postscreen_command_filter, "postscreen_command_filter"),
        tls_loglevel=_find(
            tables, materials.configuration.value("postscreen_tls_loglevel_maps", entry.overrides), "postscreen_tls_loglevel_maps"
        ),
        footer=_find(tables, settings.postscreen_reject_footer_maps, "postscreen_reject_footer_maps"),
    )


def _find(tables: Tables, value: str, name: str) -> Find | None:
    maps = tables.maps(value, name)
    return None if maps.empty else maps.find


async def _nothing(key: str) -> str | None:
    return None
