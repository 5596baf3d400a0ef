"""The restrictions of a service, with everything that they may ask."""

import asyncio
from collections.abc import Mapping

from gatepost.events.records import Emit, Note
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.registry import Tables
from gatepost.mail.ascii_text import elements
from gatepost.policy.engine import RestrictionPolicy
from gatepost.policy.policy_servers import PolicyServers
from gatepost.policy.settings import PolicySettings
from gatepost.policy.sources import Sources
from gatepost.policy.verify.verifier import Verifier
from gatepost.routing.recipients import Recipients
from gatepost.service.greylist import greylister
from gatepost.service.materials import Materials
from gatepost.service.reply_filter import filtered
from gatepost.service.settings import as_list, routing_settings
from gatepost.service.spf import spf_checker
from gatepost.service.verify import of_sessions

_FILTER = "smtpd_dns_reply_filter"


def restriction_policy(
    materials: Materials, overrides: Mapping[str, str], tables: Tables, emit: Emit, verifier: Verifier
) -> RestrictionPolicy:
    """The compiled restriction lists of one smtpd service. Raises ConfigurationError."""
    configuration = materials.configuration

    def value(name: str) -> str:
        return configuration.value(name, overrides)

    classes = elements(value("smtpd_restriction_classes"))
    addresses = as_list(materials.own_addresses)
    settings = configuration.view(PolicySettings, overrides)
    network = materials.network()
    sources = Sources(
        settings=settings,
        tables=tables,
        router=materials.routing,
        recipients=Recipients(materials.routing, routing_settings(configuration, overrides), value("double_bounce_sender"), tables),
        verifier=of_sessions(materials.configuration, overrides, verifier),
        resolver=filtered(materials.resolver, tables.maps(value(_FILTER), _FILTER), emit, "smtpd"),
        networks=MatchList.hosts(value("mynetworks"), tables, "mynetworks", tables.warn),
        dotless_parents="smtpd_access_maps" in elements(value("parent_domain_matches_subdomains")),
        addresses=MatchList.addresses(addresses, tables, "inet_interfaces", tables.warn),
        policy_servers=PolicyServers(settings, network, lambda line: emit(Note("smtpd", line, "warning"))),
        sleep=asyncio.sleep,
        emit=emit,
        spf=spf_checker(materials, overrides, tables),
        greylister=greylister(materials, overrides, emit),
        told_permits=_told_permits(value("smtpd_log_access_permit_actions"), tables),
    )
    return RestrictionPolicy(sources, {name: value(name) for name in classes})


def _told_permits(listed: str, tables: Tables) -> MatchList | None:
    """smtpd_log_access_permit_actions: of which permissions the log is told."""
    actions = MatchList.strings(listed, tables, "smtpd_log_access_permit_actions", tables.warn)
    return None if actions.empty else actions
