"""Rules that hang on answers of the DNS, and meta rules over them: the worker's part of the counting.

The facts say what is pending, in the order in which it is counted; nothing of the rule set is needed here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import DecodeError
from msgspec.structs import replace

from gatepost.filter.facts import Facts, Pending, ScoredHit
from gatepost.filter.names.answering import Answers, answers
from gatepost.filter.names.hosts import question_name
from gatepost.filter.rules import expressions
from gatepost.filter.rules.values import number
from gatepost.net.port import Resolver

_MOST_EXPRESSIONS: Final = 1 << 20
"""Octets of all meta rules that hang on answers."""


class AskedNames:
    """Who asks the DNS for what rules want to know (inspection.Names).

    now: seconds of any clock that goes forward.
    time_limit: seconds for all questions of a message.
    most: such questions; a scanner that asks more, or for what is no name, has gone wrong.
    """

    def __init__(self, resolver: Resolver, now: Callable[[], float], time_limit: float, most: int) -> None:
        self._most = most
        self._resolver = resolver
        self._now = now
        self._time_limit = time_limit

    async def answers(self, facts: Facts) -> Sequence[ScoredHit]:
        """See inspection.Names."""
        questions = [one for one in facts.lookups.questions if question_name(one.name) == one.name][: self._most]
        lookups = replace(facts.lookups, questions=tuple(questions))
        return settled(facts, await answers(lookups, self._resolver, self._now, self._time_limit))


def settled(facts: Facts, found: Answers) -> tuple[ScoredHit, ...]:
    """What was pending and hits."""
    matched = {hit.rule: hit.matched for hit in found.hits}
    counts: dict[str, float] = {hit.rule: hit.count for hit in facts.hits}
    hits: list[ScoredHit] = []
    left = _MOST_EXPRESSIONS
    for pending in facts.pending:
        left -= len(pending.expression)
        if left < 0:
            break
        value = _value(pending, matched, counts)
        if value > 0:
            counts[pending.hit.rule] = value
            hits.append(replace(pending.hit, matched=matched.get(pending.hit.rule, b"")))
    return tuple(hits)


def with_answers(facts: Facts, hits: Sequence[ScoredHit]) -> Facts:
    """The facts, where these hit as well; nothing is pending any more."""
    score = round(facts.score + sum(hit.score for hit in hits), 3)
    return replace(facts, hits=tuple(sorted((*facts.hits, *hits), key=lambda hit: hit.rule)), score=score, pending=())


def _value(pending: Pending, matched: Mapping[str, bytes], counts: Mapping[str, float]) -> float:
    """How often it hits. What a scanner that has gone wrong may send is no hit."""
    if not pending.expression:
        return float(pending.hit.rule in matched)
    try:
        return float(number(expressions.decoded(pending.expression), lambda name: counts.get(name, 0)))
    except (ArithmeticError, DecodeError, LookupError, RecursionError, TypeError, ValueError):
        return 0.0
