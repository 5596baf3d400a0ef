"""What an smtp or lmtp service of master.cf makes of the messages that it sends, from its parameters."""

from collections.abc import Callable, Mapping
from pathlib import Path

from gatepost.content.check_maps import KINDS, check_maps
from gatepost.content.outgoing_checks import OutgoingChecks
from gatepost.content.settings import MimeSettings
from gatepost.deliver.outgoing import Outgoing
from gatepost.events.records import Emit
from gatepost.lookup.registry import Tables
from gatepost.service.materials import Materials


def outgoing(
    materials: Materials, staging: Callable[[], Path], overrides: Mapping[str, str], program: str, tables: Tables, emit: Emit
) -> Outgoing:
    """`staging`: makes the name of a file; `overrides`: of the service's line; `program`: `smtp` or `lmtp`, with which its
    parameters begin."""
    value = materials.configuration.value
    limits = materials.configuration.view(MimeSettings, overrides).limits
    maps = check_maps(tables, {name: value(name, overrides) for name in (f"{program}_{kind}" for kind in KINDS)})
    generic = f"{program}_generic_maps"
    return Outgoing(
        staging=staging,
        limits=limits,
        checks=None if maps.empty else OutgoingChecks(maps, limits=limits, service=program, emit=emit, staging=staging),
        generic_map=materials.routing.generic(value(generic, overrides), generic, tables),
    )
