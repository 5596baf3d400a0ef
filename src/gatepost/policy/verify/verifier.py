"""Address verification, asked by sessions: what is known is said at once, what is not is found out while they wait.

Postfix looks for the result of a probe every address_verify_poll_delay seconds, address_verify_poll_count times. Here a session
waits as long at most, and goes on as soon as there is a result.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from msgspec import Struct

from gatepost.events.records import Clock, Emit, Fault, Note
from gatepost.policy.verify.cache import LEASE, REST, Cache
from gatepost.policy.verify.findings import IN_PROGRESS, TOO_MANY, Finding
from gatepost.policy.verify.pending import Pending
from gatepost.policy.verify.sender import ProbeSender
from gatepost.policy.verify.settings import Patience, VerifySettings
from gatepost.state.port import StateStore, StateUnavailable

_FIRST_LOOK, _SLOWER = 0.05, 2.0
"""Seconds until the first look for what another worker finds out, and how much longer each next one takes."""


T = TypeVar("T")


class Verified(Struct, frozen=True):
    """What a probe has found out. `addresses`: whom that is about: who was asked for, and who mail to them goes to. `finding`: None
    where there was not even an attempt. `ours`: a fault of our own kept it from being made: that is told, and not kept."""

    addresses: tuple[str, ...]
    finding: Finding | None
    ours: bool = False


Probe = Callable[[str, str], Awaitable[Verified]]
"""Probes an address from a sender. It ends no later than the delivery agent's time limits."""


class Verifier:
    """One for a worker. To be made inside an event loop.

    `clock`: seconds since 1970; `sleep`: waits; `sender`: who probes come from.
    """

    def __init__(
        self,
        settings: VerifySettings,
        store: StateStore,
        probe: Probe,
        sender: ProbeSender,
        *,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]],
        emit: Emit,
        fault: Fault,
    ) -> None:
        self._settings = settings
        self._cache = Cache(store, settings.lifetimes, clock)
        self._probe = probe
        self.sender = sender
        self._clock = clock
        self._sleep = sleep
        self._emit = emit
        self._fault = fault
        self._pending = Pending(settings.address_verify_pending_request_limit)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._next_cleanup = 0.0

    async def verify(self, address: str, client: str, patience: Patience) -> Finding:
        """What is known of an address, for a client (its IP address) that waits as long as `patience` has it. Raises
        StateUnavailable."""
        self._clean_up_in_time()
        finding = await self._cache.known(address)
        if finding is not None and not self._cache.is_stale(finding):
            return finding
        probing: asyncio.Task[Finding | None] | None = None
        if not self._pending.begin(client):
            return finding or TOO_MANY
        if (claim := await self._claim(address, client)) is not None:
            probing = self._spawn(self._find_out(address, claim), f"verification of <{address}>")
            probing.add_done_callback(lambda _: self._pending.end(client))
        return finding or await self._awaited(address, probing, patience.seconds)

    async def _claim(self, address: str, client: str) -> int | None:
        """The right to probe an address; where that cannot be had, the client's room is given back."""
        claim = None
        try:
            claim = await self._cache.claim(address)
        finally:
            if claim is None:
                self._pending.end(client)
        return claim

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _awaited(self, address: str, probing: "asyncio.Task[Finding | None] | None", seconds: float) -> Finding:
        """What is found out within so many seconds, here or by another worker."""
        step = seconds if probing is not None else _FIRST_LOOK
        while seconds > 0:
            step = min(step, seconds)
            await (self._sleep(step) if probing is None else asyncio.wait({probing}, timeout=step))
            if (finding := await self._cache.known(address)) is not None:
                return finding
            if probing is not None:
                return _told(probing)
            seconds, step = seconds - step, step * _SLOWER
        return IN_PROGRESS

    async def _find_out(self, address: str, claim: int) -> Finding | None:
        """Probe, and take down what comes of it. The claim is held meanwhile, and for a while after a result that is not kept.
        Returns what is told all the same, to who waits for it here."""
        rest = 0.0
        held: int | None = claim
        try:
            probing = asyncio.ensure_future(self._probe(self.sender.address(), address))
            try:
                while not (await asyncio.wait({probing}, timeout=LEASE / 3))[0]:
                    held = await self._renewed(address, held)
            finally:
                probing.cancel()
            verified = probing.result()
            if verified.ours:
                return verified.finding
            if verified.finding is not None:
                kept = [await self._cache.keep(one, verified.finding) for one in verified.addresses]
                rest = 0.0 if all(kept) or await self._cache.known(address) is None else REST
        except StateUnavailable as trouble:
            self._warn(f"result of a probe not kept: {trouble}")
        finally:
            await self._release(address, held, rest)
        return None

    async def _renewed(self, address: str, claim: int | None) -> int | None:
        try:
            return None if claim is None else await self._cache.renew(address, claim)
        except StateUnavailable:
            return claim  # somebody else may probe too then

    async def _release(self, address: str, claim: int | None, rest: float) -> None:
        if claim is None:
            return
        try:
            if rest:
                await self._cache.renew(address, claim, rest)
            else:
                await self._cache.give_up(address, claim)
        except StateUnavailable:
            return  # it ends by itself

    def _clean_up_in_time(self) -> None:
        interval = self._settings.address_verify_cache_cleanup_interval
        if interval and (now := self._clock()) >= self._next_cleanup:
            self._next_cleanup = now + interval
            self._spawn(self._clean_up(interval), "cleanup of what is known of addresses")

    async def _clean_up(self, interval: float) -> None:
        """One worker in turn goes through it all, and says what it found, as verify(8) does."""
        try:
            if await self._cache.claim_cleanup(interval):
                retained, dropped = await self._cache.clean_up()
                name = self._settings.address_verify_map or "internal:verify"
                self._emit(Note("verify", f"cache {name} full cleanup: retained={retained} dropped={dropped} entries"))
        except StateUnavailable as trouble:
            self._warn(f"cleanup broke off: {trouble}")

    def _warn(self, text: str) -> None:
        self._emit(Note("verify", text, "warning"))

    def _spawn(self, work: Coroutine[Any, Any, T], what: str) -> "asyncio.Task[T]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._done(done, what))
        return task

    def _done(self, task: "asyncio.Task[Any]", what: str) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fault(error, f"{what} broke off")


def _told(probing: "asyncio.Task[Finding | None]") -> Finding:
    """What somebody who has waited for a probe of this worker is told, where nothing is known."""
    if not probing.done() or probing.cancelled() or probing.exception() is not None:
        return IN_PROGRESS
    return probing.result() or IN_PROGRESS
