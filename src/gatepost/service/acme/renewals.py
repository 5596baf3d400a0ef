"""When certificates are asked for, and what becomes of it: the first one, renewed ones, and the next try after a failure.

Whatever fails, what is there is left in its place; the log says why, and when it is tried again.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from gatepost.acme import certificate
from gatepost.acme.certificate import Certificate, date
from gatepost.acme.port import AcmeFailure
from gatepost.acme.renewal import Attempts, failed, next_attempt, succeeded
from gatepost.events.records import Emit, Fault, Note
from gatepost.service.acme.folder import ATTEMPTS, CHAIN, Kept

LOOK: Final = 3600.0
"""Seconds between two looks at most: clocks are set, and machines sleep."""
LONGEST: Final = 1200.0
"""Seconds for an attempt."""
_CUT_OFF: Final = "an attempt is under way, or was cut off when the mail system stopped"


class Wanted(Struct, frozen=True):
    """`domains`: in A-labels; `directory`: its URL; `digest`: of all settings."""

    domains: Sequence[str]
    directory: str
    digest: str


class Outcome(Struct, frozen=True):
    """Of an attempt; `text`: for people."""

    issued: bool
    text: str


class Renewals:
    """The certificate of one configuration.

    - `obtain`: has one issued, and gives what the file is to hold. Raises AcmeFailure, OSError;
    - `store`: keeps a file by its name. Raises OSError;
    - `clock`: seconds since 1970;
    - `chance`: a number from 0 to below 1.
    """

    def __init__(
        self,
        wanted: Wanted,
        kept: Kept,
        obtain: Callable[[], Awaitable[bytes]],
        store: Callable[[str, bytes], Awaitable[None]],
        emit: Emit,
        fault: Fault,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._wanted = wanted
        self._certificate: Certificate | None = kept.certificate
        self._attempts = kept.attempts
        self._obtain = obtain
        self._store = store
        self._emit = emit
        self._fault = fault
        self._clock = clock
        self._chance = chance
        self._one_at_a_time = asyncio.Lock()
        self._over = False

    async def run(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """For as long as the process lives."""
        while True:
            await pause(min(await self.step(), LOOK))

    async def step(self) -> float:
        """Do what is due; seconds until something is again."""
        async with self._one_at_a_time:
            if self._wait() <= 0 and not self._over:
                await self._attempt()
            return max(self._wait(), 1.0)

    async def renew(self) -> Outcome:
        """Have a certificate issued now, whatever there is."""
        async with self._one_at_a_time:
            return await self._attempt()

    async def finish(self) -> None:
        """Begin nothing more; returns when nothing is under way."""
        async with self._one_at_a_time:
            self._over = True

    def _wait(self) -> float:
        now, wanted = self._clock(), self._wanted
        return next_attempt(self._certificate, self._attempts, wanted.digest, wanted.directory, wanted.domains, now) - now

    async def _attempt(self) -> Outcome:
        before = self._attempts
        try:
            await self._remember(self._failed(before, _CUT_OFF))  # so that no restart makes it try without a pause
            async with asyncio.timeout(LONGEST):
                content = await self._obtain()
            await self._store(CHAIN, content)
        except AcmeFailure as failure:
            return await self._give_up(before, str(failure), failure.wait)
        except TimeoutError:
            return await self._give_up(before, f"it took longer than {LONGEST:.0f} seconds")
        except OSError as error:
            return await self._give_up(before, error.strerror or str(error))
        except Exception as error:
            self._fault(error, "there is no certificate this time")
            return await self._give_up(before, "a fault of Gatepost's own, which the log shows")
        self._certificate = certificate.read(content)
        self._attempts = succeeded(self._wanted.digest, self._wanted.directory, self._clock())
        await self._remember(self._attempts)
        return self._told(True, f"a certificate for {', '.join(self._wanted.domains)} was issued{self._until()}")

    async def _give_up(self, before: Attempts, why: str, wait: float = 0.0) -> Outcome:
        self._attempts = self._failed(before, why, wait)
        await self._remember(self._attempts)
        still = f"the one from before is still used{self._until()}" if self._certificate else "there is none yet"
        text = f"no certificate for {', '.join(self._wanted.domains)}: {why}; {still}; next attempt {date(self._attempts.next)}"
        return self._told(False, text)

    def _failed(self, before: Attempts, why: str, wait: float = 0.0) -> Attempts:
        return failed(before, self._wanted.digest, why, self._clock(), self._chance(), wait)

    def _until(self) -> str:
        one = self._certificate
        return f", valid until {date(one.ends)}, to be renewed {date(one.renewal())}" if one else ""

    def _told(self, issued: bool, text: str) -> Outcome:
        self._emit(Note("acme", text, "" if issued else "warning"))
        return Outcome(issued, text)

    async def _remember(self, attempts: Attempts) -> None:
        """What cannot be written is known until the process ends."""
        try:
            await self._store(ATTEMPTS, msgspec.json.encode(attempts))
        except OSError as error:
            self._emit(Note("acme", f"{ATTEMPTS}: {error.strerror or error}", "warning"))
