"""What `gatepost check` finds in the parameters of milters: filters that are named nowhere, and options that are none."""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import structs

from gatepost.admission.milter.settings import VERSIONS, MilterSettings, macro_defaults, named_milters, protocol
from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.faults import Fault
from gatepost.config.usage import scopes

_REMEDY: Final = "correct it: the service does not start with it"

_READERS: Final[dict[str, Callable[[str, MilterSettings], object]]] = {
    "smtpd_milters": named_milters,
    "non_smtpd_milters": named_milters,
    "milter_protocol": lambda text, settings: protocol(text),
    "milter_macro_defaults": lambda text, settings: macro_defaults(text),
}


def check_milters(configuration: Configuration) -> Iterator[Fault]:
    """Of main.cf, and of each service of master.cf that has such parameters of its own."""
    for scope in scopes(configuration):
        for name in sorted(scope.names & _READERS.keys()):
            try:
                settings = structs.replace(configuration.view(MilterSettings, scope.overrides), milter_protocol=VERSIONS[-1])
                _READERS[name](configuration.value(name, scope.overrides), settings)
            except ConfigurationError:
                continue  # told elsewhere
            except ValueError as error:
                yield configuration.fault(name, f"{name}: {error}", _REMEDY, scope.overrides)
