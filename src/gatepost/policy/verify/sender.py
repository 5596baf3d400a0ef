"""Who probes come from: address_verify_sender, with a part that changes with time where address_verify_sender_ttl is set.

So an address that found its way onto a list of spammers is soon nobody's. A clock that is off by one period does no harm.
"""

from collections.abc import Callable

from gatepost.events.records import Clock

_DIGITS = "0123456789BCDFGHJKLMNPQRSTVWXYZ"
"""Of a number in base 31, as in Postfix: no vowels, so that no word comes about."""
_LONGEST = 13
"""Digits of a number of 64 bits."""


class ProbeSender:
    """`value`, `ttl`: the parameters (`ttl` in seconds, 0: it does not change); `rewrite`: an address of ours to its standard form.
    Raises ValueError where `value` is no address."""

    def __init__(self, value: str, ttl: int, rewrite: Callable[[str], str], clock: Clock) -> None:
        if value.startswith("@") or value.endswith("@"):
            raise ValueError(f'"{value}" must neither start nor end with "@"')
        self._ttl = ttl
        self._clock = clock
        self._null = value in ("", "<>")
        self._base = "" if self._null else rewrite(value)
        self._local, _, self._domain = self._base.rpartition("@")
        self._lowered = self._domain.lower()

    def address(self) -> str:
        """The sender of a probe that is made now; empty for the null sender, which never changes."""
        if self._null or not self._ttl:
            return self._base
        return f"{self._local}{_written(self._period())}@{self._domain}"

    def known(self, address: str) -> str | None:
        """The address without what changes, where `address` is ours: of this period, or of the one before or after it."""
        local, _, domain = address.rpartition("@")
        if self._null or domain.lower() != self._lowered:
            return None
        ours = len(self._local)
        if local[:ours].lower() != self._local.lower():
            return None
        return self._base if self._is_current(local[ours:]) else None

    def _is_current(self, changing: str) -> bool:
        if not self._ttl:
            return not changing
        period = _read(changing.upper())
        return period is not None and abs(period - self._period()) <= 1

    def _period(self) -> int:
        return int(self._clock()) // self._ttl


def _written(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits or _DIGITS[0]


def _read(text: str) -> int | None:
    number = 0
    if not 0 < len(text) <= _LONGEST:
        return None
    for character in text:
        if (digit := _DIGITS.find(character)) < 0:
            return None
        number = number * len(_DIGITS) + digit
    return number
