"""What is known of addresses, in the state that all workers share; and who of them finds out what is not.

One at a time probes an address: whoever gets its claim. A claim ends by itself soon after its worker does.
"""

from typing import Final

from gatepost.events.records import Clock
from gatepost.mail.address import split, to_bytes
from gatepost.net.turns import Turns
from gatepost.policy.verify.findings import Finding, Lifetimes, from_record, to_record
from gatepost.state.port import ABSENT, Entry, Space, StateStore
from gatepost.state.update import Update, update

_FOUND: Final = Space("verify")
_CLAIMS: Final = Space("verify_claims")
_CLEANUP: Final = b"\0cleanup"
"""The claim of who goes through all that is known; no address has such a name."""

LEASE: Final = 30.0
"""Seconds for which a claim holds unless it is renewed."""
REST: Final = 1000.0
"""Seconds until a good address is asked for anew after a probe that has said nothing good of it, as in Postfix."""


class Cache:
    """Findings by address. All methods may raise StateUnavailable."""

    def __init__(self, store: StateStore, lifetimes: Lifetimes, clock: Clock) -> None:
        self._store = store
        self._lifetimes = lifetimes
        self._clock = clock

    async def known(self, address: str) -> Finding | None:
        """What is known, and holds."""
        return self._holding(await self._store.get(_FOUND, _key(address)))

    def is_stale(self, finding: Finding) -> bool:
        return self._lifetimes.is_stale(finding, self._clock())

    async def keep(self, address: str, finding: Finding) -> bool:
        """Take a new finding down; False where what is known says more."""

        def change(entry: Entry | None) -> Update | None:
            if not self._lifetimes.replaces(finding, self._holding(entry)):
                return None
            return Update(to_record(finding), self._lifetimes.expires(finding))

        entry = await update(self._store, _FOUND, _key(address), change)
        return entry is not None and self._holding(entry) == from_record(to_record(finding))

    async def claim(self, address: str) -> int | None:
        """The right to probe an address, as a revision; None where somebody has it. To look first costs less than a try in vain."""
        if await self._store.get(_CLAIMS, _key(address)) is not None:
            return None
        return await self._store.compare_and_set(_CLAIMS, _key(address), b"", ABSENT, self._clock() + LEASE)

    async def renew(self, address: str, claim: int, seconds: float = LEASE) -> int | None:
        """The same claim for so many seconds from now; None where it is somebody else's by now."""
        return await self._store.compare_and_set(_CLAIMS, _key(address), b"", claim, self._clock() + seconds)

    async def give_up(self, address: str, claim: int) -> None:
        """Let others probe."""
        await self._store.delete(_CLAIMS, _key(address), claim)

    async def claim_cleanup(self, interval: float) -> bool:
        """Whether it is time to clean up, and nobody else does."""
        return await self._store.compare_and_set(_CLAIMS, _CLEANUP, b"", ABSENT, self._clock() + interval) is not None

    async def clean_up(self) -> tuple[int, int]:
        """Take away what holds no more by the times that are configured now: (retained, dropped). What expired by those of its own
        time is gone without this."""
        retained = dropped = 0
        turns = Turns()
        async for key, entry in self._store.iterate(_FOUND):
            if self._holding(entry) is not None:
                retained += 1
            elif await self._store.delete(_FOUND, key, entry.revision):
                dropped += 1
            if turns.over():
                await turns.rest()
        return retained, dropped

    def _holding(self, entry: Entry | None) -> Finding | None:
        finding = None if entry is None else from_record(entry.value)
        return finding if finding is not None and self._lifetimes.expires(finding) > self._clock() else None


def _key(address: str) -> bytes:
    """Domains are the same in all letters (RFC 5321 §2.4), local parts are not."""
    local, domain = split(address)
    return to_bytes(f"{local}@{domain.lower()}")
