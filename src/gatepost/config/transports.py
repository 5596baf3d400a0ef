"""Parameters that every delivery transport has under its own name: `transport_destination_recipient_limit` and the like.

The part before the suffix is a service name of master.cf; where nothing is set the value comes from a parameter common to
all transports (postconf(5), `transport_...` entries; qmgr(8); pipe(8) and spawn(8) for the time limit).
"""

from collections.abc import Iterable, Iterator, Mapping

from gatepost.config.master import ServiceEntry
from gatepost.config.parameters import TRANSPORT_SUFFIXES, Parameter
from gatepost.config.programs import Arguments, program

TIME_LIMIT = "_time_limit"
"""The one suffix that belongs to programs that run commands."""


def service_parameters(services: Iterable[ServiceEntry]) -> Mapping[str, Parameter]:
    """The parameters that these services bring into being, by name."""
    return {row.name: row for entry in services for row in _of_service(entry)}


def transport_parameter(transport: str, suffix: str) -> Parameter:
    """The row of one transport's parameter. `suffix` with or without its leading underscore. Raises KeyError."""
    row = TRANSPORT_SUFFIXES[suffix if suffix.startswith("_") else f"_{suffix}"]
    return row._replace(name=transport + row.name)


def _of_service(entry: ServiceEntry) -> Iterator[Parameter]:
    row = program(entry.program)
    if row.limits:
        yield from (transport_parameter(entry.name, suffix) for suffix in TRANSPORT_SUFFIXES if suffix != TIME_LIMIT)
    if row.arguments is Arguments.COMMAND:
        yield transport_parameter(entry.name, TIME_LIMIT)
