"""Asks the shared state about a login, has its message judged, and stores what is to be known (decision 0041).

Messages of a login are counted one after the other: those of one worker by a lock, those of several since each change is one of
the state that was read (state/update.py). Failure: StateUnavailable; submission_default_action says what becomes of the message.
"""

import asyncio
from collections.abc import Callable, Sequence
from weakref import WeakValueDictionary

from msgspec.structs import replace

from gatepost.policy.brake.account import ACCOUNTS, Block, account_of, counted, key_of, network_of, stored
from gatepost.policy.brake.counts import Measure
from gatepost.policy.brake.judge import Judgement, Message, judge, limits_of
from gatepost.policy.brake.recipients import RECIPIENTS, digests, known, new_ones, with_used
from gatepost.policy.brake.settings import BrakeSettings
from gatepost.state.port import Entry, StateStore
from gatepost.state.update import Update, update


class Brake:
    """The brake of a service with its limits. `clock`: seconds since 1970."""

    def __init__(self, settings: BrakeSettings, store: StateStore, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.limits = limits_of(settings)
        self._learns = any(limit.measure is Measure.NEW_RECIPIENT for limit in self.limits)
        self._store = store
        self._clock = clock
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def ask(self, login: str, client: str, recipients: Sequence[str]) -> Judgement:
        """What becomes of a message. `client`: its IP address, if it has one. Raises StateUnavailable."""
        key = key_of(login)
        async with self._turn(key):
            if not self._learns:
                return await self._judged(key, login, Message(len(recipients), 0, network_of(client)))
            used, now, max_age = digests(key, recipients), self._clock(), self.settings.submission_max_age
            before = known(await self._store.get(RECIPIENTS, key))
            message = Message(len(recipients), new_ones(before, used, now, max_age), network_of(client))
            judgement = await self._judged(key, login, message)
            if not judgement.held and with_used(before, used, now, max_age) is not None:
                await update(self._store, RECIPIENTS, key, lambda entry: with_used(known(entry), used, now, max_age))
            return judgement

    async def _judged(self, key: bytes, login: str, message: Message) -> Judgement:
        judgement: Judgement | None = None

        def change(entry: Entry | None) -> Update | None:
            nonlocal judgement
            judgement = judge(self.limits, self.settings, account_of(entry, login), message, self._clock())
            account = judgement.account
            return None if account is None else stored(account, self.settings.submission_max_age)

        await update(self._store, ACCOUNTS, key, change)
        assert judgement is not None
        return judgement

    async def bounced(self, login: str, number: int) -> None:
        """Mail of a login came back from so many recipients; it is judged by that when it next sends something. Whose mail nobody
        counts is not known here. Raises StateUnavailable."""
        key = key_of(login)

        def change(entry: Entry | None) -> Update | None:
            if entry is None:
                return None
            now = self._clock()
            account = counted(account_of(entry, login), (0, 0, 0, number, 0), now)
            return stored(account, self.settings.submission_max_age)

        async with self._turn(key):
            await update(self._store, ACCOUNTS, key, change)

    def _turn(self, key: bytes) -> asyncio.Lock:
        """Who has it may change the account; it is there as long as somebody wants it."""
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = asyncio.Lock()
        return turn


async def block(store: StateStore, login: str, why: str, now: float, max_age: int) -> bool:
    """Have all mail of a login held; whether that is new. Raises StateUnavailable."""
    new = False

    def change(entry: Entry | None) -> Update | None:
        nonlocal new
        account = account_of(entry, login)
        new = account.block is None
        return stored(replace(account, block=Block(int(now), why)), max_age) if new else None

    await update(store, ACCOUNTS, key_of(login), change)
    return new


async def lift(store: StateStore, login: str, now: float, max_age: int) -> bool:
    """Let mail of a login go out again, counted from nothing; whether it was blocked. Raises StateUnavailable."""
    was = False

    def change(entry: Entry | None) -> Update | None:
        nonlocal was
        account = account_of(entry, login)
        was = account.block is not None
        return stored(replace(account, seen=int(now), hour={}, day={}, block=None), max_age) if was else None

    await update(store, ACCOUNTS, key_of(login), change)
    return was
