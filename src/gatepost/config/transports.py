"""Parameters that every delivery transport has under its own name: `transport_destination_recipient_limit` and the like.

The part before the suffix is a service name of master.cf; where nothing is set the value comes from a parameter common to
all transports (postconf(5), `transport_...` entries; qmgr(8); pipe(8) and spawn(8) for the time limit).
"""

from collections.abc import Iterable, Iterator, Mapping

from gatepost.config.master import ServiceEntry
from gatepost.config.parameters import Kind, Parameter, Support

SUFFIXES: Mapping[str, str] = {
    "_delivery_slot_cost": "$default_delivery_slot_cost",
    "_delivery_slot_discount": "$default_delivery_slot_discount",
    "_delivery_slot_loan": "$default_delivery_slot_loan",
    "_destination_concurrency_failed_cohort_limit": "$default_destination_concurrency_failed_cohort_limit",
    "_destination_concurrency_limit": "$default_destination_concurrency_limit",
    "_destination_concurrency_negative_feedback": "$default_destination_concurrency_negative_feedback",
    "_destination_concurrency_positive_feedback": "$default_destination_concurrency_positive_feedback",
    "_destination_rate_delay": "$default_destination_rate_delay",
    "_destination_recipient_limit": "$default_destination_recipient_limit",
    "_extra_recipient_limit": "$default_extra_recipient_limit",
    "_initial_destination_concurrency": "$initial_destination_concurrency",
    "_minimum_delivery_slots": "$default_minimum_delivery_slots",
    "_recipient_limit": "$default_recipient_limit",
    "_recipient_refill_delay": "$default_recipient_refill_delay",
    "_recipient_refill_limit": "$default_recipient_refill_limit",
    "_transport_rate_delay": "$default_transport_rate_delay",
}
"""Suffix to the default of the parameters that end so."""

BUILT_IN = frozenset({"smtp", "relay", "lmtp", "local", "virtual", "error", "retry", "discard"})
"""Transports that are there whether master.cf names them or not."""

TIME_LIMIT = "_time_limit"
TIME_LIMIT_DEFAULT = "$command_time_limit"

_AGENTS = frozenset({"local", "error", "virtual", "smtp", "lmtp", "pipe"})
_RUNNERS = frozenset({"pipe", "spawn"})
_TIMES = ("_rate_delay", "_refill_delay", TIME_LIMIT)
_TEXTS = ("_feedback",)


def service_parameters(services: Iterable[ServiceEntry]) -> Mapping[str, Parameter]:
    """The parameters that these services bring into being, by name."""
    return {row.name: row for entry in services for row in _of_service(entry)}


def transport_parameter(transport: str, suffix: str) -> Parameter:
    """The row of one transport's parameter. `suffix` with or without its leading underscore. Raises KeyError."""
    suffix = suffix if suffix.startswith("_") else f"_{suffix}"
    default = TIME_LIMIT_DEFAULT if suffix == TIME_LIMIT else SUFFIXES[suffix]
    return Parameter(transport + suffix, _kind(suffix), default, f"As {default[1:]}, for one transport.", Support.DONE)


def _of_service(entry: ServiceEntry) -> Iterator[Parameter]:
    if entry.command in _AGENTS:
        yield from (transport_parameter(entry.name, suffix) for suffix in SUFFIXES)
    if entry.command in _RUNNERS:
        yield transport_parameter(entry.name, TIME_LIMIT)


def _kind(suffix: str) -> Kind:
    if suffix.endswith(_TIMES):
        return Kind.TIME
    return Kind.STRING if suffix.endswith(_TEXTS) else Kind.INTEGER
