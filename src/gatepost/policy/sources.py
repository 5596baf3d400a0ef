"""Whom policy may ask, as narrow protocols, and the values that carry them: to whatever compiles a list, and to every check."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct

from gatepost.events.records import Emit
from gatepost.identity.spf.check import Checker
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.port import Table
from gatepost.lookup.registry import Tables
from gatepost.mail.outcome import Outcome
from gatepost.net.port import Resolver
from gatepost.policy.greylist.greylister import Greylister
from gatepost.policy.policy_servers import PolicyServers
from gatepost.policy.settings import PolicySettings
from gatepost.policy.verify.findings import Finding
from gatepost.routing.port import Route


class Router(Protocol):
    """Where an address goes (routing/routing.py)."""

    async def rewrite(self, address: str) -> str: ...

    async def resolve(self, address: str, sender: str = "") -> Route: ...


class RecipientLists(Protocol):
    """Who is listed: the outcome that refuses `address`, None where it is listed or its class keeps no list."""

    async def unlisted(self, address: str, route: Route, *, sender: bool) -> Outcome | None: ...


class Verifier(Protocol):
    """Who finds out whether an address is good (policy/verify/). `client`: the IP address on whose behalf; `stressed`: it waits as
    long as under stress. Raises StateUnavailable."""

    async def verify(self, address: str, client: str, *, stressed: bool) -> Finding: ...

    def own_sender(self, address: str) -> str | None:
        """The sender of our own probes, where `address` is that, as it is delivered to."""
        ...


class Opener(Protocol):
    """Opens tables by name (lookup/registry.py)."""

    def open(self, spec: str) -> Table: ...


class Materials(Struct, frozen=True, kw_only=True):
    """What a list is compiled from. `policy_servers`: for check_policy_service; `sleep`: waits that many seconds."""

    settings: PolicySettings
    tables: Opener
    policy_servers: PolicyServers
    sleep: Callable[[float], Awaitable[None]]
    emit: Emit


class Sources(Materials, frozen=True, kw_only=True):
    """What a check may consult. `verifier`: for reject_unverified_*. `networks`: mynetworks; `addresses`: inet_interfaces with
    proxy_interfaces. `dotless_parents`:
    parent_domain_matches_subdomains names smtpd_access_maps. `spf`: for check_spf; `greylister`: for
    check_greylist. `told_permits`: smtpd_log_access_permit_actions, None where it is empty."""

    tables: Tables
    router: Router
    recipients: RecipientLists
    verifier: Verifier
    resolver: Resolver
    networks: MatchList
    dotless_parents: bool
    addresses: MatchList
    spf: Checker
    greylister: Greylister
    told_permits: MatchList | None = None
