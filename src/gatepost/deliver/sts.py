"""MTA-STS toward servers (RFC 8461): which policy counts for mail to a domain, asked for where that is due.

Contract: `find` answers within the time limit of the DNS and of one fetch, whatever the domain does, and many who ask about one
domain at a time cause one fetch.
Failure: a record or a policy that cannot be had is told to the log; what was known goes on counting, else the domain has no policy
(RFC 8461 §3.3).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from gatepost.deliver.sts_cache import Known, Need, StsCache, need
from gatepost.events.records import Emit, Note, tell_fault
from gatepost.net.port import DnsFailure, NotFound, Resolver
from gatepost.proto.mta_sts import BadSts, Mode, StsPolicy, read_policy, record_id
from gatepost.tlsrpt.outcome import ResultType

Fetch = Callable[[str], Awaitable[bytes]]
"""The policy file of a domain. Raises NotFetched."""

AT_ONCE: Final = 50
"""Fetches of a worker at one time; who finds no room within the time limit has no policy."""
_WITHOUT: Final = 60.0
"""Seconds for which it counts that a domain has no record, or that its name server does not say."""
_DOMAINS: Final = 10_000
"""Of which that is remembered."""
_LONGEST_TEXT: Final = 200


class NotFetched(Exception):
    """There is no policy file to be had; why, in words. `result`: what reports call it (RFC 8460 §4.3)."""

    def __init__(self, text: str, result: ResultType = ResultType.STS_POLICY_FETCH_ERROR) -> None:
        super().__init__(text)
        self.result = result


class StsFound(Struct, frozen=True):
    """What a `domain` says of MTA-STS.

    - `policy`: the one that counts; None where it says that there is one, and none can be had.
    - `enforced`: no mail for hosts that are none of it, or do not show who they are; else that is only told.
    - `lack`: why there is no policy, or not the latest.
    """

    domain: str
    policy: StsPolicy | None
    enforced: bool = False
    lack: ResultType | None = None

    @property
    def title(self) -> str:
        """As the log has it."""
        return f"MTA-STS policy of {self.domain} ({self.policy.mode.value if self.policy else 'none known'})"


class MtaSts:
    """Of one service, `service` in the log.

    - `enforcing`: False where no policy is enforced, and what it would come to is only told (smtp_tls_mta_sts = testing).
    - `seconds`: how long the DNS, and a fetch, may take (smtp_tls_mta_sts_timeout).
    - `clock`: seconds since 1970.
    """

    def __init__(
        self,
        cache: StsCache,
        resolver: Resolver,
        fetch: Fetch,
        *,
        enforcing: bool,
        seconds: float,
        clock: Callable[[], float],
        emit: Emit,
        service: str,
    ) -> None:
        self._cache = cache
        self._resolver = resolver
        self._fetch = fetch
        self._enforcing = enforcing
        self._seconds = seconds
        self._clock = clock
        self._emit = emit
        self._service = service
        self._under_way: dict[str, asyncio.Task[Known]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self._without: dict[str, float] = {}

    async def find(self, domain: str) -> StsFound | None:
        """What counts for mail to a domain (in A-labels, lower case); None where it has no policy, or one that asks for nothing."""
        record = await self._record(domain)
        known = await self._cache.known(domain)
        match need(known, record, self._clock()):
            case Need.BEFORE:
                # One who asks and goes away must not take the answer from the others.
                known = await asyncio.shield(self._fetching(domain, record))
            case Need.BESIDE:
                self._fetching(domain, record)
            case Need.NOT_NOW:
                pass
        policy = known.counting(self._clock())
        lack = ResultType(known.failed_as) if known.failed_as and record == known.failed_id else None
        if (policy is None and lack is None) or (policy is not None and policy.mode is Mode.NONE):
            return None
        return StsFound(domain, policy, self._enforcing and policy is not None and policy.mode is Mode.ENFORCE, lack)

    async def _record(self, domain: str) -> str:
        """The id of the domain's record; empty where there is none that could be used."""
        now = self._clock()
        if now < self._without.get(domain, now):
            return ""
        try:
            async with asyncio.timeout(self._seconds):
                return record_id(await self._resolver.txt(f"_mta-sts.{domain}"))
        except (NotFound, BadSts):
            pass
        except (DnsFailure, TimeoutError):
            self._note(f"MTA-STS record of {domain}: the name server does not say")
        self._without.pop(domain, None)
        if len(self._without) >= _DOMAINS:
            del self._without[next(iter(self._without))]
        self._without[domain] = now + _WITHOUT
        return ""

    def _fetching(self, domain: str, record: str) -> asyncio.Task[Known]:
        task = self._under_way.get(domain)
        if task is None:
            task = self._under_way[domain] = asyncio.create_task(self._fetched(domain, record))
            task.add_done_callback(lambda done: self._over(domain, done))
        return task

    def _over(self, domain: str, task: asyncio.Task[Known]) -> None:
        del self._under_way[domain]
        if not task.cancelled() and (fault := task.exception()):
            tell_fault(self._service, self._emit)(fault, f"the MTA-STS policy of {domain} is not known")

    async def _fetched(self, domain: str, record: str) -> Known:
        """What is known of a domain after a fetch."""
        waiting = True
        try:
            async with asyncio.timeout(self._seconds), self._room:
                waiting = False
                body = await self._fetch(domain)
            return await self._cache.keep(domain, record, read_policy(body))
        except NotFetched as lack:
            why, result = str(lack)[:_LONGEST_TEXT], lack.result
        except BadSts as bad:
            why, result = str(bad), ResultType.STS_POLICY_INVALID
        except TimeoutError:
            why, result = f"no answer within {self._seconds:g} seconds", ResultType.STS_POLICY_FETCH_ERROR
        if waiting:  # which is not the domain's doing: it is asked by the next mail
            known, why = await self._cache.known(domain), f"{AT_ONCE} others are asked already"
        else:
            known = await self._cache.keep_failure(domain, record, why, result.value)
        kept = known.counting(self._clock())
        consequence = "mail goes as if there were none" if kept is None else "the one that is known goes on counting"
        severity = "" if kept is None or kept.mode is Mode.NONE else "warning"
        self._note(f"MTA-STS policy of {domain} cannot be fetched: {why}; {consequence}", severity)
        return known

    def _note(self, text: str, severity: str = "") -> None:
        self._emit(Note(self._service, text, severity))
