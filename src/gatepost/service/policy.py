"""The restrictions of a service, with everything that they may ask."""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gatepost.events.records import Emit, Note
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.registry import Tables
from gatepost.mail.ascii_text import elements
from gatepost.net.connect import SocketConnector
from gatepost.net.stream_client import Network
from gatepost.policy.engine import RestrictionPolicy
from gatepost.policy.policy_servers import PolicyServers
from gatepost.policy.settings import PolicySettings
from gatepost.policy.sources import Sources
from gatepost.routing.recipients import Recipients
from gatepost.service.settings import as_list
from gatepost.service.spf import spf_checker

if TYPE_CHECKING:
    from gatepost.service.house import House


def restriction_policy(house: "House", overrides: Mapping[str, str], tables: Tables, emit: Emit) -> RestrictionPolicy:
    """The compiled restriction lists of one smtpd service. Raises ConfigurationError."""
    configuration = house.configuration

    def value(name: str) -> str:
        return configuration.value(name, overrides)

    classes = elements(value("smtpd_restriction_classes"))
    addresses = as_list(house.own_addresses)
    settings = configuration.view(PolicySettings, overrides)
    network = Network(SocketConnector(), house.resolver, time.monotonic, asyncio.sleep, random.random)
    sources = Sources(
        settings=settings,
        tables=tables,
        router=house.routing,
        recipients=Recipients(house.routing, value("double_bounce_sender"), tables),
        resolver=house.resolver,
        networks=MatchList.hosts(value("mynetworks"), tables, "mynetworks", tables.warn),
        dotless_parents="smtpd_access_maps" in elements(value("parent_domain_matches_subdomains")),
        addresses=MatchList.addresses(addresses, tables, "inet_interfaces", tables.warn),
        policy_servers=PolicyServers(settings, network, lambda line: emit(Note("smtpd", line, "warning"))),
        sleep=asyncio.sleep,
        emit=emit,
        spf=spf_checker(house, overrides, tables),
    )
    return RestrictionPolicy(sources, {name: value(name) for name in classes})
