"""Searches within limits: a pattern may take so long at a place, and all patterns of a message so long together.

A search is cut by where a match may begin, and the clock is looked at in between; what takes too long there is tried once more with
more patience, a few places at a time. Compiled patterns are kept.
"""

import time
from collections.abc import Callable
from typing import Final

from gatepost.lookup.matching import Subject, TooMuch, Unanswered
from gatepost.lookup.pcre2 import Expression

_PLACES: Final = 2048
"""Where a match may begin that are tried between two looks at the clock: some 100 ms at worst."""
_PATIENT_PLACES: Final = 8
_OCTETS: Final = 8192
"""The same for short texts: octets."""

OUT_OF_TIME: Final = "all patterns of the message together took too long"

Span = tuple[int, int]


class Budget:
    """The processor's time that patterns of one message may take, in seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self._end = clock() + seconds
        self._octets = 0

    def look(self) -> None:
        """Raises Unanswered where it is spent."""
        self._octets = 0
        if self._clock() > self._end:
            raise Unanswered(OUT_OF_TIME)

    def read(self, octets: int) -> None:
        """Note that so much was searched; looks at the clock from time to time. Raises Unanswered."""
        self._octets += octets
        if self._octets > _OCTETS:
            self.look()


def search(expression: Expression, subject: Subject, start: int, budget: Budget) -> Span | None:
    """Where the first match is that begins at `start` or later. Raises Unanswered."""
    if 0 <= subject.size - start <= _PLACES:
        try:
            return None if expression.search_from(subject, start) is None else expression.span()
        except TooMuch:
            pass
    while start <= subject.size:
        try:
            found = expression.search_between(subject, start, _PLACES, thorough=False)
        except TooMuch:
            found = _patient(expression, subject, start, budget)
        if found is not None:
            return expression.span()
        if not expression.starts:
            break
        budget.read(min(_PLACES, subject.size - start))
        start += _PLACES
    return None


def _patient(expression: Expression, subject: Subject, start: int, budget: Budget) -> tuple[bytes, ...] | None:
    """The same for the places up to the next look at the clock."""
    for place in range(start, min(start + _PLACES, subject.size + 1), _PATIENT_PLACES):
        budget.look()
        count = min(_PATIENT_PLACES, start + _PLACES - place)
        found = expression.search_between(subject, place, count, thorough=True)
        if found is not None or not expression.starts:
            return found
    return None


class Expressions:
    """Compiled patterns, each made when it is first looked for: most rules never may hit."""

    def __init__(self) -> None:
        self._made: dict[tuple[bytes, int], Expression | str] = {}

    def get(self, pattern: bytes, options: int) -> Expression:
        """Raises Unanswered: it is none."""
        key = (pattern, options)
        made = self._made.get(key)
        if made is None:
            try:
                made = Expression(pattern, options, captures=False)
            except ValueError as error:
                made = str(error)
            self._made[key] = made
        if isinstance(made, str):
            raise Unanswered(made)
        return made
