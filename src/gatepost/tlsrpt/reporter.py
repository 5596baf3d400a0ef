"""Sends the reports of the day before, once a day, and those that somebody asks for (RFC 8460 §5).

Every worker does this; who claims a domain's report in the shared state first sends it. A claim that came to nothing, since the
domain's record cannot be had, or a destination took nothing, expires, and somebody tries again each hour; the day after is over
when the next day's reports are due. Each address and URL gets a report once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gatepost.events.records import Fault
from gatepost.net.port import DnsFailure, NotFound, Resolver
from gatepost.state.port import ABSENT, Space, StateStore, StateUnavailable
from gatepost.tlsrpt.counts import DAY, DAYS, DayCounts, counts_of, key_of, prefix_of
from gatepost.tlsrpt.record import parse, record_of
from gatepost.tlsrpt.report import Report, Submitter, make

Send = Callable[[Report, str], Awaitable[None]]
"""Sends a report to an address or a URL. Raises NotSent."""

_CLAIMS: Final = Space("tlsrpt_sent")
_REQUESTS: Final = Space("tlsrpt_request")
_REQUEST: Final = b"day"
_HOUR: Final = 3600
_CLAIM: Final = _HOUR // 2
"""Seconds that a claim holds: longer than a report takes, with all its time limits, and over when it is tried again."""
_AFTER: Final = 300
"""Seconds after midnight by which all workers have stored what they counted."""
_SPREAD: Final = 4 * _HOUR
"""Seconds after that in which the sending begins at some time, lest all the world sends at once (RFC 8460 §4.1)."""
_SOON: Final = 600
"""The same after a worker's start."""
_MOST_TO_ONE: Final = 500
"""Reports a day to one address or URL, whatever domains name it, of a worker."""
_AT_ONCE: Final = 8


class NotSent(Exception):
    """A destination did not take a report; the text says why. It is tried again in an hour."""


async def ask_for(store: StateStore, day: int) -> None:
    """Have a worker send the reports of a day now, whatever was sent before. Raises StateUnavailable."""
    await store.put(_REQUESTS, _REQUEST, str(day).encode())


class Reporter:
    """Of one worker.

    - `by_mail`, `by_https`: how a report is sent;
    - `clock`: seconds since 1970; `chance`: a number from 0 to 1;
    - `tell`: a line for the log; `warn`: a warning;
    - `fault`: what nobody expected to be raised, which costs one report.
    """

    def __init__(
        self,
        store: StateStore,
        resolver: Resolver,
        submitter: Submitter,
        *,
        by_mail: Send,
        by_https: Send,
        clock: Callable[[], float],
        chance: Callable[[], float],
        tell: Callable[[str], None],
        warn: Callable[[str], None],
        fault: Fault,
    ) -> None:
        self._store = store
        self._resolver = resolver
        self._submitter = submitter
        self._by_mail = by_mail
        self._by_https = by_https
        self._clock = clock
        self._tell = tell
        self._warn = warn
        self._fault = fault
        self._offset = _AFTER + chance() * _SPREAD
        now = clock()
        self._due = max(now - now % DAY + self._offset, now + chance() * _SOON)
        self._counted_for = 0
        self._reports_to: dict[str, int] = {}

    async def look(self) -> None:
        """Send what is due now. To be called every few seconds. Raises StateUnavailable."""
        request = await self._store.get(_REQUESTS, _REQUEST)
        if request is not None and await self._store.delete(_REQUESTS, _REQUEST, request.revision):
            await self._send_day(int(request.value), asked=True)
        now = self._clock()
        if now >= self._due:
            midnight = now - now % DAY
            later = now + _HOUR
            self._due = later if later < midnight + DAY else midnight + DAY + self._offset
            await self._send_day(int(now // DAY) - 1, asked=False)

    async def _send_day(self, day: int, *, asked: bool) -> None:
        """The reports of a day, a few domains at one time. `asked`: those too that were sent."""
        today = int(self._clock() // DAY)
        if today != self._counted_for:
            self._counted_for = today
            self._reports_to.clear()
        room = asyncio.Semaphore(_AT_ONCE)

        async def report_on(counts: DayCounts) -> None:
            try:
                if asked or await self._claimed(day, counts.domain):
                    await self._report(counts, day, asked=asked)
            except StateUnavailable:
                raise
            except Exception as error:
                self._fault(error, f"no TLS report for {counts.domain}")
            finally:
                room.release()

        async with asyncio.TaskGroup() as group:
            async for _, entry in self._store.iterate(DAYS, prefix_of(day)):
                counts = counts_of(entry)
                if counts.domain:
                    await room.acquire()
                    group.create_task(report_on(counts))

    async def _claimed(self, day: int, *what: str) -> bool:
        """Whether nobody else has sent, or is about to send, the report of a domain, or that to one destination."""
        key = key_of(day, " ".join(what))
        return await self._store.compare_and_set(_CLAIMS, key, b"", ABSENT, self._clock() + _CLAIM) is not None

    async def _sent(self, day: int, *what: str) -> None:
        await self._store.put(_CLAIMS, key_of(day, " ".join(what)), b"", self._clock() + 2 * DAY)

    async def _report(self, counts: DayCounts, day: int, *, asked: bool) -> None:
        """The report of a domain, to where its record wants it."""
        name = counts.domain
        try:
            record = record_of(await self._resolver.txt(f"_smtp._tls.{name}"))
        except NotFound:
            record = None
        except DnsFailure as failure:
            self._warn(f"no TLS report for {name} yet: {failure}")
            return
        where = parse(record or "")
        report = make(counts, day, self._submitter, self._clock())
        ways = [*((address, self._by_mail) for address in where.mail), *((url, self._by_https) for url in where.https)]
        done = [await self._delivered(report, day, to, send, asked=asked) for to, send in ways]
        if all(done) and day < int(self._clock() // DAY):
            await self._sent(day, name)

    async def _delivered(self, report: Report, day: int, to: str, send: Send, *, asked: bool) -> bool:
        """Whether a report is where it should be, or never will be."""
        one = to.lower()  # an address in many spellings is one
        if self._reports_to.get(one, 0) >= _MOST_TO_ONE:
            return True
        if not asked and not await self._claimed(day, report.domain, to):
            return True
        self._reports_to[one] = self._reports_to.get(one, 0) + 1
        if self._reports_to[one] == _MOST_TO_ONE:
            self._warn(f"{_MOST_TO_ONE} TLS reports were sent to {to} today; there will be no more")
        try:
            await send(report, to)
        except NotSent as failure:
            self._warn(f"TLS report for {report.domain} not sent to {to}: {failure}")
            return False
        self._tell(f"TLS report for {report.domain} sent to {to}")
        if day < int(self._clock() // DAY):
            await self._sent(day, report.domain, to)
        return True
