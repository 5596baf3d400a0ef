"""What postscreen needs from the rooms around it. The composition root hands these in; tests hand in fakes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct

from gatepost.events.records import Emit, Fault
from gatepost.mail.reason import Reason
from gatepost.net.tls import ServerTls
from gatepost.proto.proxy import Proxied
from gatepost.receive.postscreen.dns_lists import DnsLists
from gatepost.receive.postscreen.results import Results
from gatepost.receive.postscreen.screening import Access
from gatepost.state.port import Counters


class Cache(Protocol):
    """What is kept of clients, the same for all workers. Failure: nothing is known, and the client is tested."""

    async def get(self, address: str) -> Results:
        """What it has passed."""
        ...

    async def put(self, address: str, results: Results) -> None:
        """Keep this. Returns when all workers know it, or it could not be kept."""
        ...


class Successor(Protocol):
    """Who serves clients that have passed: smtpd."""

    def take_over(self, told: Proxied | None) -> asyncio.Protocol:
        """The protocol of a connection that has been accepted already. `told`: its ends, where a proxy told them."""
        ...


class Lookups(Struct, frozen=True):
    """Lists and questions, each bound to its parameter. None where it is not set.

    - `access`: postscreen_access_list, and why.
    - `may_pass`: whether an address of ours is in postscreen_allowlist_interfaces.
    - `forbidden`: whether a word is in postscreen_forbidden_commands.
    - `discard_keywords`, `command_filter`, `footer`: postscreen_discard_ehlo_keyword_address_maps, postscreen_command_filter,
      postscreen_reject_footer_maps.
    - `tls_loglevel`: postscreen_tls_loglevel_maps.

    Raise LookupFailure, after a line in the log.
    """

    access: Callable[[str], Awaitable[tuple[Access, Reason]]]
    may_pass: Callable[[str], Awaitable[bool]]
    forbidden: Callable[[str], Awaitable[bool]]
    discard_keywords: Callable[[str], Awaitable[str | None]] | None = None
    command_filter: Callable[[str], Awaitable[str | None]] | None = None
    footer: Callable[[str], Awaitable[str | None]] | None = None
    tls_loglevel: Callable[[str], Awaitable[str | None]] | None = None


class Ports(Struct, frozen=True):
    """- `name`: the service name, for the counters of connections.
    - `dns_lists`: None where there are none.
    - `clock`: seconds since 1970.
    - `tls`: None where it is not offered.
    """

    name: str
    lookups: Lookups
    cache: Cache
    counters: Counters
    dns_lists: DnsLists | None
    emit: Emit
    fault: Fault
    clock: Callable[[], float]
    tls: ServerTls | None = None
    tls_required: bool = False
