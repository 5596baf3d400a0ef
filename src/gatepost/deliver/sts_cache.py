"""What is known of the MTA-STS policies of domains, in the state that all workers share, and what is to be done about one next.

Failure: where the store does not answer, what this worker has seen last counts, so that a full disk makes no mail less secure.
"""

import contextlib
import enum
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
from msgspec import Struct

from gatepost.proto.mta_sts import LONGEST_AGE, StsPolicy
from gatepost.state.port import Space, StateStore, StateUnavailable

SPACE: Final = Space("mta_sts")

PAUSE: Final = 300.0
"""Seconds until a policy that could not be fetched is asked for again (RFC 8461 §3.3), and for which one counts at least."""
REFRESH: Final = 86400.0
"""Seconds after which a policy is fetched anew although its id is the same."""
_SEEN: Final = 1000
_LONGEST_TEXT: Final = 200


class Known(Struct, frozen=True, array_like=True):
    """What is known of a domain. Times are seconds since 1970.

    - `policy`: the one that was fetched last, at `fetched`, when the record had that `id`; None: there is none yet.
    - `failed`: when a policy was asked for last, in vain, for the record `failed_id`; `why`: in words; `failed_as`: what reports
      call that (RFC 8460 §4.3).
    """

    policy: StsPolicy | None = None
    id: str = ""
    fetched: float = 0.0
    failed: float = 0.0
    failed_id: str = ""
    why: str = ""
    failed_as: str = ""

    @property
    def expires(self) -> float:
        """From when on the policy counts no more."""
        return 0.0 if self.policy is None else self.fetched + min(max(self.policy.max_age, PAUSE), LONGEST_AGE)

    def counting(self, now: float) -> StsPolicy | None:
        """The policy, while it counts."""
        return self.policy if self.fetched <= now < self.expires else None

    @property
    def stays_until(self) -> float:
        """From when on nothing of this is of use."""
        return max(self.expires, self.failed + PAUSE)


UNKNOWN: Final = Known()


class Need(enum.Enum):
    """Whether a policy is to be fetched: not now; while the mail goes on by what is known; before it goes on."""

    NOT_NOW = "not now"
    BESIDE = "beside"
    BEFORE = "before"


def need(known: Known, record: str, now: float) -> Need:
    """What to do for mail to a domain. `record`: the id of its TXT record, empty where there is none that can be used: what is
    known goes on counting then, as somebody in between may have taken it away (RFC 8461 §5.1)."""
    if not record or (known.failed_id == record and known.failed <= now < known.failed + PAUSE):
        return Need.NOT_NOW
    policy = known.counting(now)
    if policy is None or known.id != record:
        return Need.BEFORE
    return Need.BESIDE if now >= known.fetched + min(REFRESH, (known.expires - known.fetched) / 2) else Need.NOT_NOW


class StsCache:
    """The policies of all domains. `clock`: seconds since 1970."""

    def __init__(self, state: StateStore, clock: Callable[[], float]) -> None:
        self._state = state
        self._clock = clock
        self._seen: dict[str, Known] = {}

    async def known(self, domain: str) -> Known:
        """What is known of a domain."""
        try:
            entry = await self._state.get(SPACE, domain.encode())
        except StateUnavailable:
            return self._seen.get(domain, UNKNOWN)
        return self._see(domain, UNKNOWN if entry is None else known_of(entry.value))

    async def keep(self, domain: str, record: str, policy: StsPolicy) -> Known:
        """A policy was fetched for a record of that id."""
        return await self._put(domain, Known(policy, record, self._clock()))

    async def keep_failure(self, domain: str, record: str, why: str, kind: str) -> Known:
        """None could be fetched. What was known before stays."""
        before = await self.known(domain)
        failed = Known(before.policy, before.id, before.fetched, self._clock(), record, why[:_LONGEST_TEXT], kind)
        return await self._put(domain, failed)

    async def forget(self, domain: str) -> bool:
        """Whether there was anything to forget. Raises StateUnavailable."""
        self._seen.pop(domain, None)
        return await self._state.delete(SPACE, domain.encode())

    async def all(self) -> AsyncIterator[tuple[str, Known]]:
        """Every domain of which anything is known, in order. Raises StateUnavailable."""
        async for key, entry in self._state.iterate(SPACE):
            yield key.decode(errors="replace"), known_of(entry.value)

    async def _put(self, domain: str, known: Known) -> Known:
        with contextlib.suppress(StateUnavailable):  # the log has it
            await self._state.put(SPACE, domain.encode(), msgspec.msgpack.encode(known), known.stays_until)
        return self._see(domain, known)

    def _see(self, domain: str, known: Known) -> Known:
        """Remember for when the store does not answer; of many domains those that came last."""
        self._seen.pop(domain, None)
        if known is not UNKNOWN:
            self._seen[domain] = known
            if len(self._seen) > _SEEN:
                del self._seen[next(iter(self._seen))]
        return known


def known_of(value: bytes) -> Known:
    """What the store has; nothing where it cannot be read."""
    try:
        return msgspec.msgpack.decode(value, type=Known)
    except (msgspec.MsgspecError, ValueError):
        return UNKNOWN
