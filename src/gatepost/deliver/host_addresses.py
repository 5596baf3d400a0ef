"""The addresses of the hosts that a plan asks for (smtp_host_lookup, disable_dns_lookups, inet_protocols)."""

import asyncio
from collections.abc import Sequence
from typing import Final

from gatepost.deliver.plan import Host
from gatepost.net.host_names import numeric_address
from gatepost.net.port import MX, BadName, DnsFailure, Resolver

_LOOKUPS: Final = 20
"""Exchangers of a domain whose addresses are looked up; more is nobody's good intention."""


class HostAddresses:
    """`families`: 4 and 6, in the order to ask for; `dns`: ask the DNS, else whatever the system asks."""

    def __init__(self, resolver: Resolver, families: Sequence[int], *, dns: bool) -> None:
        self._families = families
        by_family = {4: resolver.a, 6: resolver.aaaa}
        self._ways = [by_family[family] for family in families] if dns else [resolver.host]

    async def find(self, hosts: Sequence[MX], port: int) -> tuple[list[Host], list[DnsFailure]]:
        """Addresses of all `hosts`, to be tried at `port` where they name no other; and the look-ups that gave none, in order."""
        found: list[Host] = []
        failed: list[DnsFailure] = []
        for mx in hosts[:_LOOKUPS]:
            if (written := numeric_address(mx.host)) is not None:
                if (6 if ":" in written else 4) in self._families:
                    found.append(Host(mx.host, written, mx.port or port, mx.preference))
                else:
                    failed.append(BadName(mx.host, "A", "an address of a family that is not used", exists=False))
                continue
            answers = await asyncio.gather(*(way(mx.host) for way in self._ways), return_exceptions=True)
            for answer in answers:
                if isinstance(answer, DnsFailure):
                    failed.append(answer)
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    found += (Host(mx.host, address, mx.port or port, mx.preference) for address in answer)
        return found, failed
