"""What `gatepost greylist import` does: takes over postgrey's database."""

import asyncio
import time
from collections.abc import Awaitable, Iterable
from pathlib import Path

from gatepost.cli.greylist_call import Call
from gatepost.lookup.berkeley_db import NotReadable, pairs
from gatepost.policy.greylist import postgrey
from gatepost.policy.greylist.judge import client_expires, expires
from gatepost.policy.greylist.postgrey import Unusable
from gatepost.policy.greylist.records import CLIENTS, TRIPLETS, Client, Triplet, encode
from gatepost.state.port import ABSENT, Space

_AT_ONCE = 2000  # changes that wait for the store together


async def import_(call: Call) -> int:
    failed = False
    for name, file in call.files:
        with file:
            read = postgrey.clients if Path(name).name == postgrey.CLIENT_FILE else postgrey.triplets
            try:
                await _take_over(call, name, read(pairs(file), call.settings, time.time()))
            except NotReadable as error:
                failed = True
                call.command.say(f"{name}: {error}", "error", logged=False)
    return int(failed)


async def _take_over(call: Call, name: str, entries: Iterable[tuple[bytes, Triplet | Client] | Unusable]) -> None:
    """Store what we do not know yet, many at a time."""
    now, counts = time.time(), {"taken over": 0, "known already": 0, "too old": 0}
    unusable: dict[str, int] = {}
    waiting: list[Awaitable[int | None]] = []

    async def store_all() -> None:
        revisions = await asyncio.gather(*waiting)
        waiting.clear()
        counts["taken over"] += sum(revision is not None for revision in revisions)
        counts["known already"] += sum(revision is None for revision in revisions)

    try:
        for one in entries:
            if isinstance(one, Unusable):
                unusable[str(one)] = unusable.get(str(one), 0) + 1
                continue
            key, record = one
            space, until = _place(call, record)
            if until <= now:
                counts["too old"] += 1
                continue
            waiting.append(call.state.compare_and_set(space, key, encode(record), ABSENT, until))
            if len(waiting) >= _AT_ONCE:
                await store_all()
    finally:
        await store_all()
        told = [f"{number} {text}" for text, number in counts.items()]
        told += [f"{number} left out ({text})" for text, number in unusable.items()]
        print(f"{name}: {', '.join(told)}")


def _place(call: Call, record: Triplet | Client) -> tuple[Space, float]:
    """(where it is stored, when it expires)."""
    if isinstance(record, Triplet):
        return TRIPLETS, expires(call.settings, record)
    return CLIENTS, client_expires(call.settings, record)
