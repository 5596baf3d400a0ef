"""How many passwords of a user may be tried through the agent: whoever has taken a worker over goes around its guard
(auth/guard.py), and comes no further than this.

It allows several times as much as the guard, so that nobody whom the guard lets through is turned away here. The same wrong
password counts once. For as many users as there is room for; whose time began first is forgotten first.
"""

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gatepost.auth.backends.names import folded

MOST_USERS: Final = 1000
_DIGEST: Final = 16  # octets


class PamGuesses:
    """`most`: wrong passwords of a user, 0 for no limit; `time_unit`: seconds that they count; `clock`: seconds. Of any
    thread."""

    def __init__(self, most: int, time_unit: float, clock: Callable[[], float]) -> None:
        self._most = most
        self._time_unit = time_unit
        self._clock = clock
        self._key = os.urandom(32)
        self._lock = threading.Lock()
        self._tried: OrderedDict[str, tuple[float, set[bytes]]] = OrderedDict()

    def may_try(self, user: str, password: bytes) -> bool:
        """Whether it may be tried; it counts from now on, until `take_back`."""
        if not self._most:
            return True
        digest = self._digest(password)
        with self._lock:
            tried = self._of(folded(user))
            if digest not in tried and len(tried) >= self._most:
                return False
            tried.add(digest)
        return True

    def take_back(self, user: str, password: bytes) -> None:
        """It was no wrong one."""
        with self._lock:
            self._tried.get(folded(user), (0.0, set()))[1].discard(self._digest(password))

    def _of(self, name: str) -> set[bytes]:
        until, tried = self._tried.get(name, (0.0, set[bytes]()))
        if until <= self._clock():
            tried = set()
            self._tried[name] = self._clock() + self._time_unit, tried
            self._tried.move_to_end(name)
        while len(self._tried) > MOST_USERS:
            self._tried.popitem(last=False)
        return tried

    def _digest(self, password: bytes) -> bytes:
        return hashlib.blake2b(password, key=self._key, digest_size=_DIGEST).digest()
