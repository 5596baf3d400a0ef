"""The keys of an issuer of tokens: out of a file, or from a URL, kept and renewed.

- Keys of a URL are asked for again after `lifetime`, and when a token names one that is not among them, but not more often than
  once in PAUSE_AFTER_KEYS: names of keys are the attacker's to choose.
- While the server is away they are used for `stale` seconds; nobody waits for it who can do with them.
- A token of a key that is not known, at a time when the server may not be asked, is nobody's to judge: it may be a new one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from gatepost.auth.backends.reread import version
from gatepost.auth.backends.signed_token import Head, Key, fitting, keys_of
from gatepost.auth.backends.token_claims import CannotSay, WrongToken

LARGEST: Final = 65536
"""Octets of a set of keys."""
PAUSE_AFTER_KEYS: Final = 60.0
PAUSE_AFTER_FAILURE: Final = 10.0
"""Seconds from an answer, and from none, to the next question."""

_UNKNOWN: Final = "the token is signed by a key that is not known"


class Keys(Protocol):
    """Where the keys of an issuer are."""

    async def for_token(self, head: Head) -> Sequence[Key]:
        """The keys that it may be signed with, at least one. Raises WrongToken where there is none; CannotSay."""
        ...

    async def renew(self) -> bool:
        """Whether there are other keys than a moment ago, after asking, if that may be: a token without a key's id may be signed by
        a new one."""
        ...

    async def probe(self) -> None:
        """Raises CannotSay where there are no keys to be had."""
        ...


class KeysOfFile:
    """Read anew when the file has changed. A file that cannot be read any more leaves the keys that there were."""

    def __init__(self, path: str, warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        self._keys: tuple[Key, ...] = ()
        self._version: tuple[int, ...] = ()

    async def for_token(self, head: Head) -> Sequence[Key]:
        await self.probe()
        found = fitting(self._keys, head)
        if not found:
            raise WrongToken(_UNKNOWN)
        return found

    async def renew(self) -> bool:
        return False  # the file has just been looked at

    async def probe(self) -> None:
        try:
            self._read()
        except OSError as error:
            self._failed(f"{self._path}: {error.strerror}")
        except ValueError as wrong:
            self._failed(f"{self._path}: {wrong}")

    def _read(self) -> None:
        """Raises OSError; ValueError for a file of something else."""
        now = version(self._path)
        if now and now == self._version:
            return
        with open(self._path, "rb") as file:
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise ValueError(f"larger than {LARGEST} octets")
        self._keys, self._version = keys_of(text), now

    def _failed(self, why: str) -> None:
        if not self._keys:
            raise CannotSay(why)
        self._warn(f"{why}: the keys that were there before are used")


class KeysOfUrl:
    """`fetch`: asks the server for its set of keys, within a time limit of its own; raises CannotSay. `lifetime`, `stale`: seconds;
    `clock`: seconds that only go forward."""

    def __init__(
        self, fetch: Callable[[], Awaitable[bytes]], *, lifetime: float, stale: float, clock: Callable[[], float],
        warn: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._fetch = fetch
        self._lifetime, self._stale = lifetime, stale
        self._clock = clock
        self._warn = warn
        self._keys: tuple[Key, ...] = ()
        self._fetched = 0.0
        self._next = clock()
        self._why = ""
        self._renewing: asyncio.Task[None] | None = None

    async def for_token(self, head: Head) -> Sequence[Key]:
        if not self._usable():
            await self._renew()
        elif self._clock() - self._fetched >= self._lifetime:
            self._begin()
        if not self._usable():
            raise CannotSay(self._why or "no keys yet")
        found = fitting(self._keys, head)
        if found:
            return found
        if self._may_ask():
            await self._renew()
            found = fitting(self._keys, head)
            if found:
                return found
            if not self._why:
                raise WrongToken(_UNKNOWN)
        raise CannotSay(f"{_UNKNOWN}: {self._why or 'the issuer is asked again in a minute'}")

    async def renew(self) -> bool:
        before = self._keys
        await self._renew()
        return self._keys is not before

    async def probe(self) -> None:
        await self._renew()
        if self._why:
            raise CannotSay(self._why)

    def _usable(self) -> bool:
        return bool(self._keys) and self._clock() - self._fetched < self._stale

    def _may_ask(self) -> bool:
        return self._renewing is not None or self._clock() >= self._next

    def _begin(self) -> None:
        """Ask, if it is time for that and nobody does."""
        if self._renewing is None and self._clock() >= self._next:
            self._renewing = asyncio.create_task(self._ask())

    async def _renew(self) -> None:
        """Ask, as above, and wait for whoever asks; whoever gives up waiting ends it for nobody else."""
        self._begin()
        if self._renewing is not None:
            await asyncio.shield(self._renewing)

    async def _ask(self) -> None:
        try:
            self._keys = keys_of(await self._fetch())
            self._fetched, self._why, pause = self._clock(), "", PAUSE_AFTER_KEYS
        except (CannotSay, ValueError) as failure:
            self._why, pause = str(failure), PAUSE_AFTER_FAILURE
            if self._keys:
                self._warn(f"{self._why}: the keys that were there before are used")
        finally:
            self._renewing = None
        self._next = self._clock() + pause
