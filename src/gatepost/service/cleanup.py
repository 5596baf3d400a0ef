"""cleanup(8): the way into the queue of one service, with the parameters of the cleanup line that is its own."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from gatepost.admission.admission import CleanupAdmission
from gatepost.admission.gates import Gates
from gatepost.admission.service import CleanupService
from gatepost.admission.settings import CleanupSettings
from gatepost.queue.port import NewMessage
from gatepost.routing.settings import RoutingSettings
from gatepost.service.cleanup_line import cleanup_line
from gatepost.service.gates import non_smtpd_gates
from gatepost.service.materials import Materials

Store = Callable[[NewMessage], Awaitable[None]]
"""Makes a message durable and has it delivered."""


def open_admission(
    materials: Materials, staging: Callable[[], Path], store: Store, overrides: Mapping[str, str], gates: Gates | None = None
) -> CleanupAdmission:
    """The way into the queue of a service with these parameters: the cleanup of that line which cleanup_service_name names, with
    its parameters, and with those of the service where that line is silent. `gates`: of its sessions; None: its mail does not come
    by any. Raises ConfigurationError."""
    entry = cleanup_line(materials.configuration, overrides)
    own: Mapping[str, str] = entry.overrides if entry else {}
    routed_otherwise = own.keys() & set(RoutingSettings.__struct_fields__)
    return CleanupAdmission(
        CleanupService(
            materials.configuration.view(CleanupSettings, {**overrides, **own}),
            materials.routing_with(own) if routed_otherwise else materials.routing,
            materials.tables("cleanup", overrides=overrides),
            staging=staging,
            store=store,
            clock=materials.clock,
            emit=materials.emitter(entry) if entry else materials.emit,
            gates=gates or non_smtpd_gates(materials, overrides),
        )
    )
