"""cleanup(8) lines of master.cf: a service that takes mail in may name one of its own (cleanup_service_name)."""

from collections.abc import Mapping

from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.master import ServiceEntry

_USUAL = "cleanup"


def cleanup_line(configuration: Configuration, overrides: Mapping[str, str]) -> ServiceEntry | None:
    """The line of master.cf whose parameters hold for the mail of a service; None where not even the usual one is written. Raises
    ConfigurationError where the service names another that is not there, or is no cleanup: it would not check what it should."""
    name = configuration.value("cleanup_service_name", overrides)
    entry = configuration.service(f"{name}/unix") or configuration.service(f"{name}/fifo")
    if (entry is None and name != _USUAL) or (entry is not None and entry.program != "cleanup"):
        told = f"cleanup_service_name names service {name}, which is no cleanup of master.cf"
        raise ConfigurationError([configuration.fault("cleanup_service_name", told, f"add a line {name} to master.cf", overrides)])
    return entry
