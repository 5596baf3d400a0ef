"""A message as rules see it: each view of it is made when it is first asked for, and kept."""

import functools
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Final

from msgspec import Struct, field

from gatepost.filter.bayes.opinion import opinion as bayes_opinion
from gatepost.filter.bayes.port import Memory
from gatepost.filter.bayes.port import Opinion as BayesOpinion
from gatepost.filter.headers.section import Section, section
from gatepost.filter.headers.view import View
from gatepost.filter.learner.opinion import opinion as learner_opinion
from gatepost.filter.learner.port import Opinion as LearnerOpinion
from gatepost.filter.learner.store import Weights
from gatepost.filter.match.search import Budget, Expressions, Span, search
from gatepost.filter.port import HeaderView, Part, Relays, Session, Text
from gatepost.filter.relays.relays import relays
from gatepost.filter.rules.perl import translated
from gatepost.filter.rules.ruleset import Pattern
from gatepost.filter.text.parts import parts
from gatepost.filter.text.rendering import rendered
from gatepost.lookup.matching import Subject

_LITERAL: Final = re.compile(r"/.*/[a-z]*\Z|m[^\w\s]", re.DOTALL)
_STROKE: Final = "\\/"
_SHOWN: Final = 200
"""Octets of a note."""


class Knowledge(Struct, frozen=True):
    """What a scanner knows beside the message.

    options: settings of rule files, one value an occurrence.
    memory: what Bayes has learned, weights: what the learner has; None where they are not asked.
    expressions: compiled patterns, kept from message to message.
    """

    options: Mapping[str, tuple[str, ...]]
    memory: Memory | None = None
    weights: Weights | None = None
    expressions: Expressions = field(default_factory=Expressions)


class Examination:
    """Fulfils port.Examined. `octets`: the message, its lines ended by LF; `budget`: of all patterns."""

    def __init__(
        self, octets: bytes, session: Session, knowledge: Knowledge, budget: Budget, clock: Callable[[], float] = time.thread_time
    ) -> None:
        self.octets = octets
        self.session = session
        self.kind = ""
        self.notes: dict[str, bytes] = {}
        self.seconds: dict[str, float] = {}
        self._knowledge = knowledge
        self._options = knowledge.options
        self._budget = budget
        self._clock = clock
        self._under_way: list[str] = []

    def option(self, name: str) -> tuple[str, ...]:
        """See port.Examined."""
        return self._options.get(name, ())

    def note(self, rule: str, matched: bytes) -> None:
        """See port.Examined."""
        self.notes.setdefault(rule, matched[:_SHOWN])

    def search(self, pattern: str, text: bytes) -> bytes | None:
        """See port.Examined. Raises Unanswered where it takes too long, ValueError for what is no pattern."""
        found = self._span(_translated(pattern), text)
        return None if found is None else text[found[0] : found[1]]

    def matches(self, pattern: Pattern, text: bytes) -> bool:
        """Whether a pattern of a rule matches, under the same limits. Raises Unanswered, ValueError."""
        return self._span(pattern, text) is not None

    def _span(self, pattern: Pattern, text: bytes) -> Span | None:
        return search(self._knowledge.expressions.get(pattern.octets, pattern.options), Subject(text), 0, self._budget)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of what is done within as that of a stage, and not of the one around it."""
        began = self._clock()
        self._under_way.append(name)
        try:
            yield
        finally:
            took = self._clock() - began
            self._under_way.pop()
            self.seconds[name] = self.seconds.get(name, 0.0) + took
            if self._under_way:
                around = self._under_way[-1]
                self.seconds[around] = self.seconds.get(around, 0.0) - took

    @cached_property
    def section(self) -> Section:
        """The header section."""
        with self.stage("headers"):
            return section(self.octets)

    @cached_property
    def relays(self) -> Relays:
        """See port.Examined."""
        with self.stage("relays"):
            return relays(self.section, self.session, self._options)

    @cached_property
    def headers(self) -> HeaderView:
        """See port.Examined."""
        with self.stage("headers"):
            return View(self.section, self.relays, self.session, self._options)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """See port.Examined."""
        with self.stage("parts"):
            return parts(self.octets)

    @cached_property
    def text(self) -> Text:
        """See port.Examined."""
        with self.stage("text"):
            return rendered(self.parts, self.headers, self._options)

    @cached_property
    def bayesian(self) -> BayesOpinion:
        """All that Bayes says."""
        with self.stage("bayes"):
            return bayes_opinion(self, self._knowledge.memory)

    @property
    def bayes(self) -> float | None:
        """See port.Examined."""
        return self.bayesian.probability

    @cached_property
    def learned(self) -> LearnerOpinion:
        """What the learner says."""
        with self.stage("learner"):
            return learner_opinion(self, self._knowledge.weights)


@functools.cache
def _translated(pattern: str) -> Pattern:
    """An argument of a rule, of which there are no more than rule files hold."""
    return translated(pattern if _LITERAL.match(pattern) else f"/{pattern.replace('/', _STROKE)}/")
