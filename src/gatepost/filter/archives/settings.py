"""The parameters that say how far archives are looked into."""

from msgspec import Struct

from gatepost.filter.archives.port import MOST_NODES, ArchiveLimits


class ArchiveSettings(Struct, frozen=True):
    """filter_archive_*: octets, seconds and numbers."""

    filter_archive_depth_limit: int
    filter_archive_member_limit: int
    filter_archive_ratio_limit: int
    filter_archive_size_limit: int
    filter_archive_time_limit: int


def limits(settings: ArchiveSettings) -> ArchiveLimits:
    """What they say."""
    return ArchiveLimits(
        depth=settings.filter_archive_depth_limit,
        members=min(settings.filter_archive_member_limit, MOST_NODES // 2),
        octets=settings.filter_archive_size_limit,
        ratio=settings.filter_archive_ratio_limit,
        seconds=settings.filter_archive_time_limit,
    )
