"""What the content filter asks about viruses and attachments, and where it keeps mail, put together for a service (decisions 0053,
0054)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from gatepost.config.configuration import ConfigurationError
from gatepost.events.records import Emit, Note
from gatepost.filter.antivirus.clamd import Clamd
from gatepost.filter.antivirus.settings import VirusSettings, antivirus
from gatepost.filter.archives.banned import banned
from gatepost.filter.archives.port import ArchiveFacts
from gatepost.filter.quarantine.store import QuarantineSettings, QuarantineStore
from gatepost.lookup.registry import Tables
from gatepost.service.materials import Materials

_BANNED: Final = "filter_banned_maps"


def virus_scanners(materials: Materials, overrides: Mapping[str, str], emit: Emit) -> Clamd | None:
    """Those of filter_virus_scanner; None where there are none. Raises ConfigurationError."""
    settings = materials.configuration.view(VirusSettings, overrides)
    try:
        return antivirus(settings, materials.network(), lambda text: emit(Note("filter", text, "warning")))
    except ValueError as error:
        text = f"filter_virus_scanner: no socket: {error}"
        fault = materials.configuration.fault("filter_virus_scanner", text, "write unix:PATH or inet:HOST:PORT", overrides)
        raise ConfigurationError((fault,)) from None


def banned_files(
    materials: Materials, overrides: Mapping[str, str], tables: Tables
) -> Callable[[ArchiveFacts], Awaitable[Sequence[str]]]:
    """Asks filter_banned_maps about the files of a message: those that are banned, for people. Raises LookupFailure."""
    maps = tables.maps(materials.configuration.value(_BANNED, overrides), _BANNED)

    async def ask(facts: ArchiveFacts) -> Sequence[str]:
        return [one.key for one in await banned(facts, maps)]

    return ask


def quarantine(materials: Materials) -> QuarantineStore:
    """Where mail is kept."""
    return QuarantineStore(materials.configuration.view(QuarantineSettings), materials.clock)
