"""What each recipient wants of the filter: levels, what is not looked for, and what she wants to have all the same, from tables.

A table is asked for the address, without its extension, `@domain`, the domain and its parents (`.parent`), and `user@`. Lists say
whether a recipient is on them: `0`, `no`, `n`, `f` and `false` say that she is not (README.lookups of amavisd-new).
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct

from gatepost.filter.verdict import Category, Levels, RecipientPolicy
from gatepost.lookup.address import Keys, find_address
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps

_KEYS: Final = Keys.ACCESS | Keys.AT_DOMAIN
_NOT: Final = frozenset(("0", "no", "n", "f", "false"))


class ListOf(Struct, frozen=True):
    """A table of recipients, and of which category it speaks."""

    category: Category
    maps: Maps


class LevelOf(Struct, frozen=True):
    """The points of one level: those of most, and a table of those who want others."""

    usual: float
    maps: Maps


class Recipients:
    """The policies of a service.

    tag, tag2, kill: levels. bypass, lovers: lists. delimiters: recipient_delimiter. is_local: whether a domain is one of ours;
    raises LookupFailure.
    """

    def __init__(
        self,
        tag: LevelOf,
        tag2: LevelOf,
        kill: LevelOf,
        *,
        bypass: Sequence[ListOf] = (),
        lovers: Sequence[ListOf] = (),
        delimiters: str = "",
        is_local: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._levels = (tag, tag2, kill)
        self._bypass = [one for one in bypass if not one.maps.empty]
        self._lovers = [one for one in lovers if not one.maps.empty]
        self._delimiters = delimiters
        self._is_local = is_local
        self._usual = Levels(tag.usual, tag2.usual, kill.usual)
        self._asks = any(not level.maps.empty for level in self._levels)

    async def policy(self, address: str) -> RecipientPolicy:
        """What a recipient (internal form) wants. Raises LookupFailure."""
        return RecipientPolicy(
            address,
            Levels(*[await self._level(level, address) for level in self._levels]) if self._asks else self._usual,
            await self._listed(self._bypass, address),
            await self._listed(self._lovers, address),
            local=await self._is_local(address.rpartition("@")[2]),
        )

    async def _listed(self, lists: Sequence[ListOf], address: str) -> frozenset[Category]:
        if not lists:
            return frozenset()
        return frozenset([one.category for one in lists if _says_yes(await self._find(one.maps, address))])

    async def _level(self, level: LevelOf, address: str) -> float:
        found = await self._find(level.maps, address)
        if found is None:
            return level.usual
        try:
            return points_of(found)
        except ValueError as error:
            raise LookupFailure(level.maps.title, f"{address}: {error}") from None

    async def _find(self, maps: Maps, address: str) -> str | None:
        found = await find_address(maps, address, _KEYS, delimiters=self._delimiters)
        return None if found is None else found.value


def _says_yes(value: str | None) -> bool:
    return value is not None and value.strip().lower() not in _NOT


def points_of(text: str) -> float:
    """A number of points. Raises ValueError with words for people."""
    try:
        points = float(text)
    except ValueError:
        points = math.nan
    if not math.isfinite(points):
        raise ValueError(f'"{text}" is no number of points')
    return points
