"""Address verification, put together: routing with the parameters of probes, cleanup of their addresses, and who waits for them."""

import asyncio
from collections.abc import Callable, Mapping

from msgspec import Struct, structs

from gatepost.admission.expansion import Expansion
from gatepost.admission.settings import CleanupSettings
from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.content.checks import LogContext
from gatepost.events.records import Clock, Note
from gatepost.lookup.port import LookupFailure
from gatepost.mail.envelope import Recipient
from gatepost.policy.verify.findings import Finding, finding_of
from gatepost.policy.verify.sender import ProbeSender
from gatepost.policy.verify.settings import Patience, VerifySettings
from gatepost.policy.verify.verifier import Verified, Verifier
from gatepost.queue.probes import Probes
from gatepost.routing.aliases import AliasLoop
from gatepost.routing.routing import Routing
from gatepost.service.materials import Materials
from gatepost.service.settings import routing_settings


class ProbeRoutes(Struct, frozen=True, kw_only=True):
    """Where probes go: what counts instead of the parameters of mail; field names are parameter names."""

    address_verify_default_transport: str
    address_verify_local_transport: str
    address_verify_relay_transport: str
    address_verify_virtual_transport: str
    address_verify_relayhost: str
    address_verify_transport_maps: str
    address_verify_sender_dependent_default_transport_maps: str
    address_verify_sender_dependent_relayhost_maps: str


def probe_routing(materials: Materials) -> Routing:
    """The routing of probes, which is that of mail unless something else is configured. Raises ConfigurationError."""
    routes, settings = materials.configuration.view(ProbeRoutes), materials.routing.settings
    own = structs.replace(
        routing_settings(materials.configuration),
        default_transport=routes.address_verify_default_transport,
        local_transport=routes.address_verify_local_transport,
        relay_transport=routes.address_verify_relay_transport,
        virtual_transport=routes.address_verify_virtual_transport,
        relayhost=routes.address_verify_relayhost,
        transport_maps=routes.address_verify_transport_maps,
        sender_dependent_default_transport_maps=routes.address_verify_sender_dependent_default_transport_maps,
        sender_dependent_relayhost_maps=routes.address_verify_sender_dependent_relayhost_maps,
    )
    if own == settings:
        return materials.routing
    return Routing(own, materials.opened, materials.own_addresses, mapping=materials.tables("cleanup"))


class AddressProbe:
    """A probe of an address as it comes: what cleanup(8) makes of it is asked for."""

    def __init__(self, materials: Materials, probes: Probes) -> None:
        self._materials = materials
        self._settings = materials.configuration.view(CleanupSettings)
        self._probes = probes

    async def __call__(self, sender: str, address: str) -> Verified:
        expansion = Expansion(self._materials.routing, self._settings, LogContext("", "local"), mapping=True, copying=False)
        try:
            sender = await expansion.rewritten(sender) if sender else ""
            await expansion.add(Recipient(address))
        except (LookupFailure, AliasLoop) as failure:
            self._materials.emit(Note("verify", f"address {address} is not probed: {failure}", "warning"))
            return Verified((address,), None)
        recipients = expansion.final
        if len(recipients) == 1:
            probed = await self._probes.probe(sender, recipients[0])
        else:
            probed = self._probes.several(sender, address)
            recipients = []
        about = dict.fromkeys((address, *(recipient.address for recipient in recipients)))
        return Verified(tuple(about), finding_of(probed.outcome, self._materials.clock()), ours=probed.ours)


def probe_sender(configuration: Configuration, rewrite: Callable[[str], str], clock: Clock) -> ProbeSender:
    """Who probes come from. `rewrite`: an address of ours to its standard form. Raises ConfigurationError."""
    settings = configuration.view(VerifySettings)
    try:
        return ProbeSender(settings.address_verify_sender, settings.address_verify_sender_ttl, rewrite, clock)
    except ValueError as error:
        fault = configuration.fault("address_verify_sender", str(error), "write an address, or <> for the null sender")
        raise ConfigurationError([fault]) from error


def open_verifier(materials: Materials, probes: Probes) -> Verifier:
    """The verifier of a worker. Raises ConfigurationError."""
    configuration, routing = materials.configuration, materials.routing
    return Verifier(
        configuration.view(VerifySettings),
        materials.state,
        AddressProbe(materials, probes),
        probe_sender(configuration, routing.rewriter.rewrite, materials.clock),
        clock=materials.clock,
        sleep=asyncio.sleep,
        emit=materials.emit,
        fault=materials.fault,
    )


class SessionsVerifier:
    """What the restrictions of one smtpd line ask, with its patience; `stressed`: that under stress."""

    def __init__(self, verifier: Verifier, patience: Patience, stressed: Patience) -> None:
        self._verifier = verifier
        self._patience = {False: patience, True: stressed}
        self.own_sender = verifier.sender.known

    async def verify(self, address: str, client: str, *, stressed: bool) -> Finding:
        return await self._verifier.verify(address, client, self._patience[stressed])


def of_sessions(configuration: Configuration, overrides: Mapping[str, str], verifier: Verifier) -> SessionsVerifier:
    """The verifier, as the sessions of a line of master.cf ask it. Raises ConfigurationError."""
    usual, stressed = (configuration.view(Patience, {**overrides, **more}) for more in ({}, {"stress": "yes"}))
    return SessionsVerifier(verifier, usual, stressed)
