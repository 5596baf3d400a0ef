"""Accounts of the system for whoever may not wait: asked in threads with a deadline (blocking.py), and remembered for a while.

local_recipient_maps asks at each RCPT, local(8) several times for each message. What was not found is remembered apart from what
was, so that guesses at names push out no user.
"""

import time
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from gatepost.lookup import account_database
from gatepost.lookup.account_database import Group, User
from gatepost.lookup.blocking import BlockingCalls, Hangs
from gatepost.lookup.port import LookupFailure

T = TypeVar("T")
K = TypeVar("K", str, int)

THREADS = 4
TIME_LIMIT = 10.0
"""Seconds for one question."""

FOUND, NOT_FOUND = 30.0, 5.0
"""Seconds that an answer is remembered: changes count after them."""

ROOM = 4096
"""Answers of either kind that are remembered."""


class Accounts:
    """`calls`: who makes the calls. `clock`: seconds. Every method raises LookupFailure where there is no answer in time."""

    def __init__(self, calls: BlockingCalls | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._calls = calls or BlockingCalls(THREADS, TIME_LIMIT)
        self._clock = clock
        self._found: dict[Hashable, tuple[float, object]] = {}
        self._missing: dict[Hashable, tuple[float, object]] = {}

    async def user_named(self, name: str) -> User | None:
        return await self._ask("passwd.byname", account_database.user_named, name)

    async def user_with_id(self, uid: int) -> User | None:
        return await self._ask("passwd.byuid", account_database.user_with_id, uid)

    async def group_named(self, name: str) -> Group | None:
        return await self._ask("group.byname", account_database.group_named, name)

    async def _ask(self, database: str, ask: Callable[[K], T | None], wanted: K) -> T | None:
        key, now = (database, wanted), self._clock()
        known = self._found.get(key) or self._missing.get(key)
        if known is not None and known[0] > now:
            return cast("T | None", known[1])
        try:
            answer = await self._calls.run(key, lambda: ask(wanted))
        except Hangs as hangs:
            raise LookupFailure(f"unix:{database}", hangs.why) from None
        except OSError as error:
            raise LookupFailure(f"unix:{database}", str(error.strerror)) from None
        self._found.pop(key, None)  # it may have come, or gone
        self._missing.pop(key, None)
        kind, seconds = (self._missing, NOT_FOUND) if answer is None else (self._found, FOUND)
        _make_room(kind, now)
        kind[key] = (now + seconds, answer)
        return answer


def _make_room(known: dict[Hashable, tuple[float, object]], now: float) -> None:
    """Forget what is too old, or else everything: the next answers are as good."""
    if len(known) < ROOM:
        return
    for key in [key for key, (until, _) in known.items() if until <= now]:
        del known[key]
    if len(known) >= ROOM:
        known.clear()
