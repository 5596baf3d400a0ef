"""To whom a login has written before: digests of addresses with the day when each was last used, of bounded number."""

import hashlib
import struct
from collections.abc import Iterable, Mapping
from typing import Final

from gatepost.policy.brake.counts import day_of
from gatepost.state.port import Entry, Space
from gatepost.state.update import Update

RECIPIENTS: Final = Space("submission_recipient")

MOST: Final = 4000
"""Recipients that are remembered of a login; of more the ones that were not used for longest are forgotten."""

_ROW: Final = struct.Struct("<8sH")
_DAY: Final = 86400

Known = Mapping[bytes, int]
"""By digest, the day since 1970."""


def digests(login_key: bytes, addresses: Iterable[str]) -> frozenset[bytes]:
    """What stands for these addresses; of each login others, so that two lists do not tell whom both know."""
    salt = hashlib.blake2b(login_key, digest_size=16, usedforsecurity=False).digest()
    return frozenset(
        hashlib.blake2b(
            address.lower().encode("utf-8", "surrogateescape"), digest_size=_ROW.size - 2, salt=salt, usedforsecurity=False
        ).digest()
        for address in addresses
    )


def known(entry: Entry | None) -> Known:
    """Who is in an entry, those included that were not used for long; nobody where it cannot be read."""
    if entry is None or len(entry.value) % _ROW.size:
        return {}
    return dict(_ROW.iter_unpack(entry.value))


def living(before: Known, now: float, max_age: int) -> dict[bytes, int]:
    """Those that are remembered at `now`. A clock that was put back makes nobody new. `max_age`: seconds."""
    today = day_of(now)
    oldest = today - max_age // _DAY
    return {digest: min(day, today) for digest, day in before.items() if day >= oldest}


def new_ones(before: Known, used: frozenset[bytes], now: float, max_age: int) -> int:
    """How many of `used` are not remembered at `now`."""
    oldest = day_of(now) - max_age // _DAY
    return sum(before.get(digest, -1) < oldest for digest in used)


def with_used(before: Known, used: frozenset[bytes], now: float, max_age: int) -> Update | None:
    """As the store is to have it when `used` were written to; None where it has that already."""
    today = day_of(now)
    if all(before.get(digest) == today for digest in used):
        return None
    after = {digest: day for digest, day in living(before, now, max_age).items() if digest not in used}
    after |= dict.fromkeys(used, today)
    rows = sorted(after.items(), key=lambda row: row[1])[-MOST:]
    return Update(b"".join(_ROW.pack(digest, day) for digest, day in rows), now + max_age)
