"""Counts how TLS came out, by day and domain, in memory, and stores that in batches in the shared state (decision 0021).

Failure: what cannot be stored now is kept for the next time; what a killed worker had not stored is lost (a few seconds).
"""

import asyncio
from collections.abc import Callable
from typing import Final

from gatepost.state.port import StateStore, StateUnavailable
from gatepost.state.update import update
from gatepost.tlsrpt.counts import DAY, DAYS, Tally, added, counts_of, key_of, stored
from gatepost.tlsrpt.names import domain
from gatepost.tlsrpt.outcome import ReportedPolicy, TlsOutcome

MOST_DOMAINS: Final = 10_000
"""Domains of which a worker counts in a day; it is strangers who decide how many we write to."""
_MOST_POLICIES: Final = 64
"""Policies of a domain that are told apart until they are stored: records may change with each look."""
_AT_ONCE: Final = 32


class Collector:
    """Of one worker. `clock`: seconds since 1970; `warn`: to the log."""

    def __init__(self, store: StateStore, clock: Callable[[], float], warn: Callable[[str], None]) -> None:
        self._store = store
        self._clock = clock
        self._warn = warn
        self._pending: dict[tuple[int, str], dict[ReportedPolicy, Tally]] = {}
        self._today = 0
        self._seen: set[str] = set()
        self._storing = asyncio.Lock()

    def observe(self, outcome: TlsOutcome) -> None:
        """Count a session."""
        name = domain(outcome.domain)
        if name is None:
            return
        today = int(self._clock() // DAY)
        if today != self._today:
            self._today = today
            self._seen.clear()
        if name not in self._seen:
            if len(self._seen) >= MOST_DOMAINS:
                return
            self._seen.add(name)
            if len(self._seen) == MOST_DOMAINS:
                self._warn(f"sessions with {MOST_DOMAINS} domains were counted today; reports will tell of no others")
        tally = self._tally((today, name), outcome.policy)
        if tally is not None:
            tally.count(outcome)

    async def store(self) -> None:
        """Store what was counted since the last time."""
        async with self._storing:
            pending, self._pending = self._pending, {}
            keys = list(pending)
            for start in range(0, len(keys), _AT_ONCE):
                batch = keys[start : start + _AT_ONCE]
                done = await asyncio.gather(*(self._stored(*key, pending[key]) for key in batch))
                for key, well in zip(batch, done, strict=True):
                    if not well:
                        self._put_back(key, pending[key])

    async def _stored(self, day: int, name: str, tallies: dict[ReportedPolicy, Tally]) -> bool:
        try:
            await update(self._store, DAYS, key_of(day, name), lambda entry: stored(added(counts_of(entry, name), tallies), day))
        except StateUnavailable:  # the log has it
            return False
        return True

    def _put_back(self, key: tuple[int, str], tallies: dict[ReportedPolicy, Tally]) -> None:
        for policy, counted in tallies.items():
            tally = self._tally(key, policy)
            if tally is not None:
                tally.add(counted)

    def _tally(self, key: tuple[int, str], policy: ReportedPolicy) -> Tally | None:
        """Where sessions of a day and domain under a policy are counted; None where there is no room for more."""
        policies = self._pending.get(key)
        if policies is None:
            if len(self._pending) >= MOST_DOMAINS:
                return None
            policies = self._pending[key] = {}
        tally = policies.get(policy)
        if tally is None and len(policies) < _MOST_POLICIES:
            tally = policies[policy] = Tally()
        return tally
