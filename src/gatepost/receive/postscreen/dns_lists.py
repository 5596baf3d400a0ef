"""postscreen_dnsbl_sites: DNS lists with patterns of replies and weights, asked all at once (postconf(5))."""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable
from typing import Final, cast

from msgspec import Struct

from gatepost.events.records import Emit, Fault, Note
from gatepost.lookup.port import LookupFailure
from gatepost.mail.ascii_text import elements
from gatepost.net.negative_ttl import NegativeTtl
from gatepost.net.port import AnswerSource, DnsFailure, NotFound
from gatepost.policy.restrictions.dnsbl import REPLIES_LIMIT, DnsList, parse, reversed_address

_REMEMBERED: Final = 10_000
UNNAMED: Final = "a DNS list"


class Site(Struct, frozen=True):
    """One element of the list. `weight`: what it adds for a client that it lists."""

    dns_list: DnsList
    weight: int


class Rank(Struct, frozen=True):
    """What all lists say of a client: the sum of weights, and the domain that weighs most, as clients may see it. `ttl`: seconds
    for which that counts."""

    weight: int = 0
    domain: str = ""
    ttl: float = math.inf


def parse_sites(text: str) -> tuple[Site, ...]:
    """`domain=d.d.d.d*weight ...`. Raises ValueError with what is wrong with one."""
    return tuple(_site(one) for one in elements(text))


def _site(text: str) -> Site:
    name, star, number = text.partition("*")
    try:
        return Site(parse(name), int(number) if star else 1)
    except ValueError:
        raise ValueError(f"bad DNS list: {text}") from None


class DnsLists:
    """The lists of one service.

    - `shown`: the name by which a client is told of a list (postscreen_dnsbl_reply_map), None: its own.
    - `keep`: seconds for which an answer counts at least (postscreen_dnsbl_min_ttl), and is remembered: who comes again at once
      costs no question.
    - `time_limit`: seconds for all of them together.

    Failure: a list that does not answer lists nobody; where `shown` does not answer, the client is told no name, for the map may
    hide a password that is part of it.
    """

    def __init__(
        self,
        sites: tuple[Site, ...],
        resolver: AnswerSource,
        shown: Callable[[str], Awaitable[str | None]],
        *,
        emit: Emit,
        fault: Fault,
        clock: Callable[[], float],
        keep: float,
        time_limit: float,
    ) -> None:
        self._sites = sites
        self._domains = tuple(dict.fromkeys(site.dns_list.domain for site in sites))
        self._resolver = resolver
        self._negative = NegativeTtl(resolver, clock)
        self._shown = shown
        self._emit = emit
        self._fault = fault
        self._clock = clock
        self._keep = keep
        self._time_limit = time_limit
        self._ranks: dict[str, tuple[float, Rank]] = {}
        self._names: dict[str, str] = {}
        """By which clients are told of lists: asked once, as Postfix does."""

    def known(self, address: str) -> Rank | None:
        """What they said of it a moment ago."""
        until, rank = self._ranks.get(address, (0.0, None))
        return rank if until > self._clock() else None

    async def rank(self, address: str, patience: float) -> Rank:
        """Ask all of them. What has not come within `patience`, or the time limit, does not count; what has, does: a list that is
        away takes nothing from the others."""
        answers: dict[str, tuple[str, ...]] = {}
        lifetimes: list[float] = []
        name = reversed_address(address)

        async def ask(domain: str) -> None:
            answers[domain], ttl = await self._ask(domain, name, address)
            lifetimes.append(await self._negative.of(domain) if ttl is None else ttl)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(patience, self._time_limit)):
                if len(self._domains) == 1:
                    await ask(self._domains[0])
                else:
                    await asyncio.gather(*map(ask, self._domains))
        found = [site for site in self._sites if site.dns_list.listed(answers.get(site.dns_list.domain, ()))]
        rank = await self._weighed(found, max(min(lifetimes, default=math.inf), self._keep))
        if len(answers) == len(self._domains):
            self._remember(address, rank)
        return rank

    async def _ask(self, domain: str, name: str, address: str) -> tuple[tuple[str, ...], float | None]:
        """The replies of a list, and for how long they count in seconds; None where there are none, and its zone knows."""
        query = f"{name}.{domain}"
        try:
            answer = await self._resolver.answer(query, "A")
        except NotFound:
            return (), None
        except DnsFailure as failure:
            self._emit(Note("dnsblog", f"dnsblog_query: lookup error for DNS query {query}: {failure.text}", "warning"))
            return (), math.inf
        except Exception as error:
            self._fault(error, f"{domain} lists nobody")
            return (), math.inf
        replies = cast(tuple[str, ...], answer.values[:REPLIES_LIMIT])
        for reply in replies:
            self._emit(Note("dnsblog", f"addr {address} listed by domain {domain} as {reply}"))
        return replies, answer.ttl

    async def _weighed(self, found: list[Site], ttl: float) -> Rank:
        if not found:
            return Rank(ttl=ttl)
        domain = max(found, key=lambda site: site.weight).dns_list.domain
        return Rank(sum(site.weight for site in found), await self._name(domain), ttl)

    async def _name(self, domain: str) -> str:
        name = self._names.get(domain)
        if name is None:
            try:
                name = await self._shown(domain) or domain
            except LookupFailure:
                return UNNAMED
            self._names[domain] = name
        return name

    def _remember(self, address: str, rank: Rank) -> None:
        if len(self._ranks) >= _REMEMBERED:
            del self._ranks[next(iter(self._ranks))]
        self._ranks[address] = self._clock() + self._keep, rank
