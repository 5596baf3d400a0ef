"""How long it counts that a name is not in a domain (RFC 2308 §5): the SOA record of its zone says so.

It comes with such an answer, but c-ares does not hand it out; so the zone is asked, once for all names in it.
Failure: a zone that says nothing is asked again after a while; its answers have no end then.
"""

import math
from collections.abc import Callable
from typing import Final, cast

from gatepost.net.port import AnswerSource, DnsFailure, NotFound

_SHORTEST: Final = 60.0
_LONGEST: Final = 3600.0
"""Seconds until a zone is asked again."""


class NegativeTtl:
    """Asks for the domains of an administrator, who does not name many. `clock`: seconds, of any start."""

    def __init__(self, source: AnswerSource, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._known: dict[str, tuple[float, float]] = {}

    async def of(self, domain: str) -> float:
        """Seconds that it counts that a name below `domain` does not exist; infinite where nobody says."""
        until, ttl = self._known.get(domain, (-math.inf, math.inf))
        now = self._clock()
        if now < until:
            return ttl
        self._known[domain] = now + _SHORTEST, ttl  # who comes meanwhile does not wait
        ttl = await self._ask(domain)
        self._known[domain] = now + min(max(ttl, _SHORTEST), _LONGEST), ttl
        return ttl

    async def _ask(self, domain: str) -> float:
        """What the domain says, or the nearest one above it that is a zone."""
        while "." in domain:
            try:
                answer = await self._source.answer(domain, "SOA")
            except NotFound:
                domain = domain.partition(".")[2]
            except DnsFailure:
                break
            else:
                return float(min(answer.ttl, *cast(tuple[int, ...], answer.values)))
        return math.inf
