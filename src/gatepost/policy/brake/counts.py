"""How much a login has done in the last hour and the last day: numbers in slots of time, of which there are few.

The slot that has just begun counts besides the whole ones of the period, so that no hour or day, wherever it begins, has more than
the limit: an hour is 60 to 65 minutes here, a day 24 to 25 hours.
"""

import enum
from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Measure(enum.IntEnum):
    """What is counted of a login: the place in Counts."""

    MESSAGE = 0
    RECIPIENT = 1
    NEW_RECIPIENT = 2
    BOUNCE = 3
    NEW_NETWORK = 4


Counts = tuple[int, int, int, int, int]
"""Numbers by Measure."""

Slots = dict[int, Counts]
"""By number of the slot since 1970."""

NOTHING: Final[Counts] = (0, 0, 0, 0, 0)


class Period(Struct, frozen=True):
    """Over which something is counted: `name`, seconds of a `slot`, and how many there are at most."""

    name: str
    slot: int
    slots: int


HOUR: Final = Period("hour", 300, 13)
DAY: Final = Period("day", 3600, 25)


def day_of(now: float) -> int:
    """The day since 1970, as what is remembered by the day has it: 16 bits."""
    return min(max(int(now) // 86400, 0), 65535)


def plus(one: Counts, other: Counts) -> Counts:
    """Both together."""
    a, b, c, d, e = map(int.__add__, one, other)
    return a, b, c, d, e


def recent(slots: Mapping[int, Counts], period: Period, now: float) -> Slots:
    """Those that count now. A slot of times to come is none: the clock was put back."""
    last = int(now) // period.slot
    return {number: counts for number, counts in slots.items() if last - period.slots < number <= last}


def added(slots: Mapping[int, Counts], period: Period, counts: Counts, now: float) -> Slots:
    """The slots that count, with `counts` in the latest."""
    kept, last = recent(slots, period, now), int(now) // period.slot
    kept[last] = plus(kept.get(last, NOTHING), counts)
    return kept


def total(slots: Mapping[int, Counts], period: Period, now: float) -> Counts:
    """What was counted in the period."""
    result = NOTHING
    for counts in recent(slots, period, now).values():
        result = plus(result, counts)
    return result
