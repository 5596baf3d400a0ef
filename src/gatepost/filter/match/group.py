"""The patterns of one kind of text: which of them hit, and how often.

Texts are searched apart, as SpamAssassin does: a match does not go from one into the next. First all patterns are looked for in
all texts behind one another (prefilter.py); then each that may be there in the same way, which says in which text it comes first;
then in the texts from that on.
"""

import bisect
import functools
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from gatepost.filter.match.pattern import Pattern
from gatepost.filter.match.prefilter import Prefilter
from gatepost.filter.match.search import Budget, Expressions, search
from gatepost.filter.port import Hit
from gatepost.lookup.matching import Subject, Unanswered

_SHOWN: Final = 200
"""Octets of a match that are told."""
_EACH: Final = 512
"""Octets for which a pattern counts besides those that it reads: the clock is dear to look at."""
_BETWEEN: Final = b"\n"
"""What stands between texts, where the end of a line may be: `$` is before it."""

Untold = Callable[[str, str], None]
"""Told of a rule that could not be answered, and why."""


class Search(Struct, frozen=True):
    """One message's: the time that its patterns have, who is told of what could not be answered, and where it is counted how long
    each rule takes; None where nobody asked."""

    budget: Budget
    untold: Untold
    costs: dict[str, float] | None = None
    clock: Callable[[], float] = time.thread_time


class Texts:
    """Texts of one kind, alone and behind one another."""

    def __init__(self, texts: Sequence[bytes]) -> None:
        self.each = [Subject(text) for text in texts]
        if len(texts) == 1:
            self.together = self.each[0]
        else:
            self.together = Subject(b"".join([text + _BETWEEN for text in texts]))

    @functools.cached_property
    def _ends(self) -> list[int]:
        return list(itertools.accumulate(text.size + len(_BETWEEN) for text in self.each))

    def start(self, index: int) -> int:
        """Where a text begins among all."""
        return self._ends[index - 1] if index else 0

    def index(self, offset: int) -> int:
        """In which text an offset of all together lies."""
        return bisect.bisect_right(self._ends, offset)


class Group:
    """The patterns of one kind.

    over_all: there may be several texts, and the prefilter was made for that.
    skipped: indices of patterns that nobody asks for.
    """

    def __init__(
        self,
        patterns: Sequence[Pattern],
        prefilter: Prefilter,
        expressions: Expressions,
        *,
        over_all: bool,
        skipped: frozenset[int] = frozenset(),
    ) -> None:
        self._patterns = patterns
        self._prefilter = prefilter
        self._expressions = expressions
        self._over_all = over_all
        self._skipped = skipped
        self._negated = [index for index, pattern in enumerate(patterns) if pattern.negated and index not in skipped]
        self._unset: list[Hit] | None = None

    def hits(self, texts: Sequence[bytes], search: Search) -> Iterator[Hit]:
        """The rules that hit in these texts."""
        subjects = Texts(texts)
        candidates = self._prefilter.candidates(subjects.together.octets) if texts else []
        for index in candidates:
            if index in self._skipped:
                continue
            found = self._confirmed(self._patterns[index], subjects, search)
            if found is not None:
                yield found
        for index in self._negated:
            if index not in candidates:
                yield Hit(self._patterns[index].rule)

    def hits_unset(self, search: Search) -> Sequence[Hit]:
        """Those that hit where there is no such header: always the same."""
        if self._unset is None:
            asked = [pattern for index, pattern in enumerate(self._patterns) if index not in self._skipped]
            found = (self._confirmed(pattern, Texts((pattern.unset,)), search) for pattern in asked)
            self._unset = [hit for hit in found if hit is not None]
        return self._unset

    def _confirmed(self, pattern: Pattern, texts: Texts, search: Search) -> Hit | None:
        began = search.clock() if search.costs is not None else 0.0
        try:
            search.budget.read(_EACH)
            count, matched = self._count(pattern, texts, search.budget)
        except Unanswered as failure:
            search.untold(pattern.rule, str(failure))
            return None
        finally:
            if search.costs is not None:
                search.costs[pattern.rule] = search.costs.get(pattern.rule, 0.0) + search.clock() - began
        if pattern.negated:
            return None if count else Hit(pattern.rule)
        return Hit(pattern.rule, count, matched) if count else None

    def _count(self, pattern: Pattern, texts: Texts, budget: Budget) -> tuple[int, bytes]:
        exact = self._expressions.get(pattern.expression, pattern.options)
        first = pattern.passed_over
        if self._over_all and len(texts.each) > 1 and pattern.spans_texts:
            rough = search(self._expressions.get(pattern.expression, pattern.over_all), texts.together, texts.start(first), budget)
            if rough is None:
                return 0, b""
            first = texts.index(rough[0])
        count, matched = 0, b""
        while first < len(texts.each):
            behind, found = exact.passed_over(texts.each, first)
            budget.read(texts.start(behind) - texts.start(first))
            if behind == len(texts.each):
                break
            subject, first, place = texts.each[behind], behind + 1, 0
            span = exact.span() if found else search(exact, subject, place, budget)
            while span is not None:
                begin, end = span
                matched = matched if count else subject.octets[begin : min(end, begin + _SHOWN)]
                count += 1
                if count == pattern.most:
                    return count, matched
                further = exact.count_from(subject, end)
                if further is not None:
                    count += further
                    break
                budget.read(end - place + 1)
                place = end if end > begin else end + 1
                span = search(exact, subject, place, budget)
            if 0 < pattern.most <= count:
                return pattern.most, matched
            budget.read(subject.size)
        return count, matched
