"""The content filter of a service, put together: the gate before its mail, and whom that asks (decision 0052)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gatepost.admission.filtering.gate import NAME, Filter, FilterGate
from gatepost.admission.filtering.marks import MarkSettings
from gatepost.admission.port import FailureAction
from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.events.records import Emit, Note
from gatepost.filter.inspection import Inspection
from gatepost.filter.policy import LevelOf, ListOf, Recipients, points_of
from gatepost.filter.scanning import Scanning
from gatepost.filter.spamd import SpamdScanning
from gatepost.filter.verdict import Category, Destiny
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.registry import Tables
from gatepost.net.stream_client import StreamClient
from gatepost.net.stream_port import AnswerLimit, BreakerRules, Crowd, StreamRules, TimeLimits
from gatepost.proto.spamd import ANSWER_LIMIT
from gatepost.service.filter_names import asked_names
from gatepost.service.filter_scanners import banned_files, quarantine, virus_scanners
from gatepost.service.filter_settings import LEVELS, FilterSettings, filter_faults, spamd_server
from gatepost.service.materials import Materials
from gatepost.service.scanner.client import SCANNER_SOCKET, ScannerClient

_DESTINIES: Final = {
    Category.SPAM: "filter_spam_destiny",
    Category.VIRUS: "filter_virus_destiny",
    Category.BANNED: "filter_banned_destiny",
    Category.UNCHECKED: "filter_unchecked_destiny",
    Category.BAD_HEADER: "filter_bad_header_destiny",
}
_BYPASS: Final = {
    Category.SPAM: "filter_bypass_spam_checks_maps",
    Category.VIRUS: "filter_bypass_virus_checks_maps",
    Category.BANNED: "filter_bypass_banned_checks_maps",
    Category.BAD_HEADER: "filter_bypass_header_checks_maps",
}
_LOVERS: Final = {
    Category.SPAM: "filter_spam_lovers_maps",
    Category.VIRUS: "filter_virus_lovers_maps",
    Category.BANNED: "filter_banned_files_lovers_maps",
    Category.UNCHECKED: "filter_unchecked_lovers_maps",
    Category.BAD_HEADER: "filter_bad_header_lovers_maps",
}


def filter_gate(materials: Materials, overrides: Mapping[str, str], tables: Tables, emit: Emit) -> FilterGate | None:
    """The gate of a service; None where nothing is filtered before the queue. Raises ConfigurationError."""
    configuration = materials.configuration
    settings = configuration.view(FilterSettings, overrides)
    if not settings.filter_before_queue:
        return None
    if faults := filter_faults(configuration, overrides):
        raise ConfigurationError(faults)
    made_of = Filter(
        policy=_recipients(configuration, overrides, settings, tables).policy,
        destinies={category: Destiny(configuration.value(name, overrides)) for category, name in _DESTINIES.items()},
        marks=configuration.view(MarkSettings, overrides),
        inspection=Inspection(
            _scanning(materials, settings, emit),
            virus_scanners(materials, overrides, emit),
            asked_names(materials, overrides),
            banned_files(materials, overrides, tables),
        ),
        quarantine=quarantine(materials),
        on_failure=FailureAction(settings.filter_default_action),
        emit=emit,
        clock=materials.clock,
        fault=materials.fault,
    )
    return FilterGate(made_of, settings.filter_time_limit)


def _recipients(configuration: Configuration, overrides: Mapping[str, str], settings: FilterSettings, tables: Tables) -> Recipients:
    """What each recipient wants."""

    def lists(parameters: Mapping[Category, str]) -> list[ListOf]:
        return [ListOf(category, tables.maps(configuration.value(name, overrides), name)) for category, name in parameters.items()]

    def level(name: str) -> LevelOf:
        maps = f"{name}_maps"
        return LevelOf(points_of(configuration.value(name, overrides)), tables.maps(configuration.value(maps, overrides), maps))

    local = MatchList.domains(settings.filter_local_domains, tables, "filter_local_domains", tables.warn)
    return Recipients(
        *map(level, LEVELS),
        bypass=lists(_BYPASS),
        lovers=lists(_LOVERS),
        delimiters=settings.recipient_delimiter,
        is_local=local.matches,
    )


def _scanning(materials: Materials, settings: FilterSettings, emit: Emit) -> Scanning:
    """Who looks for spam."""
    server = spamd_server(settings)
    if server is None:
        queue = Path(materials.configuration.value("queue_directory"))
        return ScannerClient(queue / SCANNER_SOCKET, settings.filter_time_limit)
    rules = StreamRules(
        limits=TimeLimits.all_of(settings.filter_time_limit),
        answer=AnswerLimit(ANSWER_LIMIT),
        crowd=Crowd.of(100),
        breaker=BreakerRules(settings.helper_failure_limit, settings.helper_probe_interval),
    )
    warn = lambda news: emit(Note(NAME, str(news), "warning"))  # noqa: E731
    return SpamdScanning(StreamClient(server, rules, materials.network(), warn, "filter_spam_scanner"))
