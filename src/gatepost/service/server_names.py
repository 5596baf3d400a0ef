"""The tables of tls_server_sni_maps, asked in the midst of a handshake, where nothing can wait."""

from collections.abc import Callable

from gatepost.config.configuration import Configuration
from gatepost.config.master import ServiceEntry
from gatepost.lookup.at_once import find_at_once
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Tables
from gatepost.net.server_names import ServerNames
from gatepost.net.tls_parameters import TlsFailure

_PARAMETER = "tls_server_sni_maps"


def server_names(configuration: Configuration, entry: ServiceEntry, warn: Callable[[str], None]) -> ServerNames | None:
    """The certificates of a service by name, None where it has one for all. The tables are opened now, and by root, since private
    keys are in them."""
    maps = Tables(warn).maps(configuration.value(_PARAMETER, entry.overrides), _PARAMETER)
    if maps.empty:
        return None

    def find(key: str) -> str | None:
        try:
            return find_at_once(maps, key)
        except LookupFailure as failure:
            raise TlsFailure(str(failure)) from failure

    return ServerNames(find, warn)
