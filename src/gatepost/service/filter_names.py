"""Who asks the DNS for rules of the content filter, put together for a service (decision 0050)."""

import time
from collections.abc import Mapping

from msgspec import Struct

from gatepost.filter.counting import AskedNames
from gatepost.service.materials import Materials


class NamesSettings(Struct, frozen=True):
    """Parameters of the questions."""

    filter_dns_limit: int
    filter_dns_lookups: bool
    filter_dns_time_limit: float


def asked_names(materials: Materials, overrides: Mapping[str, str]) -> AskedNames | None:
    """None where nothing is asked of the DNS."""
    settings = materials.configuration.view(NamesSettings, overrides)
    if not settings.filter_dns_lookups:
        return None
    return AskedNames(materials.resolver, time.monotonic, settings.filter_dns_time_limit, settings.filter_dns_limit)
