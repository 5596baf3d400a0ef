"""*_delivery_status_filter: another status or another text for how deliveries end (postconf(5), default_delivery_status_filter).

A success stays a success and a failure a failure; what a table says that is neither is told in the log, and nothing is changed.
"""

import re
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps
from gatepost.mail.delivery import Agent, DeliveryRequest, Report
from gatepost.mail.outcome import Class, Outcome

_RESULT = re.compile(r"(?P<status>(?P<cls>[245])\.\d{1,3}\.\d{1,3})\s+(?P<text>\S.*)", re.S | re.ASCII)


class FilteredAgent:
    """An agent whose results go through `maps`. `warn`: how to say what is wrong with them."""

    def __init__(self, agent: Agent, maps: Maps, warn: Callable[[str], None]) -> None:
        self._agent = agent
        self._maps = maps
        self._warn = warn

    async def deliver(self, request: DeliveryRequest) -> Sequence[Report]:
        return [await self._filtered(report) for report in await self._agent.deliver(request)]

    async def close(self) -> None:
        await self._agent.close()

    async def _filtered(self, report: Report) -> Report:
        """A report with its outcome replaced, and those of what the recipient was expanded into."""
        if report.parts is None:
            return replace(report, outcome=await self._replaced(report.outcome))
        parts = tuple([await self._filtered(part) for part in report.parts])
        # What becomes of the recipient was the outcome of one of its parts, and is so still.
        became = {before.outcome: after.outcome for before, after in zip(report.parts, parts, strict=True)}
        return replace(report, outcome=became.get(report.outcome, report.outcome), parts=parts)

    async def _replaced(self, outcome: Outcome) -> Outcome:
        try:
            value = await self._maps.find(f"{outcome.enhanced} {outcome.text}")
        except LookupFailure as failure:
            self._warn(f"{self._maps.title}: {failure}")
            return outcome
        if value is None:
            return outcome
        match = _RESULT.fullmatch(value)
        if match is None:
            self._warn(f"{self._maps.title}: bad status code or text: {value}")
            return outcome
        cls = Class(int(match["cls"]))
        if (cls is Class.OK) is not outcome.ok:
            self._warn(f"{self._maps.title}: a success cannot become a failure, nor a failure a success: {value}")
            return outcome
        return replace(outcome, cls=cls, enhanced=match["status"], text=match["text"])
