"""What the scanner is configured by."""

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.filter.archives.settings import ArchiveSettings
from gatepost.filter.archives.settings import limits as archive_limits
from gatepost.filter.scan import Limits


class ScannerSettings(Struct, frozen=True):
    """Parameters of the scanner."""

    data_directory: str
    filter_dns_limit: int
    filter_dns_lookups: bool
    filter_rules_directories: tuple[str, ...]
    filter_scan_memory_limit: int
    filter_scan_pattern_time_limit: float
    filter_scan_size_limit: int
    filter_scan_time_limit: float
    filter_scanner_max_age: float


def limits(configuration: Configuration) -> Limits:
    """How far a message is looked into."""
    settings = configuration.view(ScannerSettings)
    return Limits(
        settings.filter_scan_size_limit,
        settings.filter_scan_pattern_time_limit,
        archive_limits(configuration.view(ArchiveSettings)),
        settings.filter_dns_limit if settings.filter_dns_lookups else 0,
    )
