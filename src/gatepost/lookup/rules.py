"""Ordered rules with `if` … `endif`: what regexp, pcre and cidr tables are compiled into.

A program is a flat list. A rule that does not hold passes control to `otherwise`: the next rule, or for an `if` the one
after its `endif`. So a lookup is a loop, however deep the nesting.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Any

from gatepost.lookup.matching import Unanswered

Result = Callable[[Any], str]
Answer = tuple[str, Any]
"""What a rule says, and the rule's source."""


class Rule:
    """`test(subject)` gives something or None; the rule holds when that is something, or with `negated` when it is None. It does
    not hold where the test raises Unanswered. `result` makes the answer of what `test` gave; None: the rule is an `if`.
    `source`: what the test was made of."""

    __slots__ = ("negated", "otherwise", "result", "source", "test")

    def __init__(self, test: Callable[[Any], Any], negated: bool, result: Result | None, source: Any, otherwise: int = 0) -> None:
        self.test = test
        self.negated = negated
        self.result = result
        self.source = source
        self.otherwise = otherwise


def _nobody(_source: Any, _reason: Unanswered) -> None:
    pass


class Program:
    """Rules in the order of their text. Build with `add`, `open_if`, `close_if`; then `finish`.

    `unanswered` hears of each test that could not tell: (source of the rule, why)."""

    __slots__ = ("_open", "_rules", "unanswered")

    def __init__(self, unanswered: Callable[[Any, Unanswered], None] = _nobody) -> None:
        self._rules: list[Rule] = []
        self._open: list[tuple[int, int]] = []
        self.unanswered = unanswered

    def __len__(self) -> int:
        return len(self._rules)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    def add(self, test: Callable[[Any], Any], negated: bool, result: Result, source: Any = None) -> None:
        """Append a rule with a result."""
        self._rules.append(Rule(test, negated, result, source, len(self._rules) + 1))

    def open_if(self, line: int, test: Callable[[Any], Any], negated: bool, source: Any = None) -> None:
        """Append an `if`, whose text is at `line`."""
        self._open.append((line, len(self._rules)))
        self._rules.append(Rule(test, negated, None, source))

    def close_if(self) -> bool:
        """End the innermost `if`; False where none is open."""
        if not self._open:
            return False
        self._rules[self._open.pop()[1]].otherwise = len(self._rules)
        return True

    def finish(self) -> list[int]:
        """End what is still open; the lines of those, innermost first."""
        lines = []
        while self._open:
            lines.append(self._open[-1][0])
            self.close_if()
        return lines

    def run(self, subject: Any) -> Answer | None:
        """What the first rule says that holds."""
        rules = self._rules
        index, end = 0, len(rules)
        while index < end:
            rule = rules[index]
            try:
                found = rule.test(subject)
            except Unanswered as reason:
                self.unanswered(rule.source, reason)
                index = rule.otherwise
                continue
            if (found is None) is not rule.negated:
                index = rule.otherwise
            elif rule.result is not None:
                return rule.result(found), rule.source
            else:
                index += 1
        return None

    def questions(self) -> Generator[Any, Any, Answer | None]:
        """As `run`, for tests that take their time: yields the source of each rule that is to be tested, and is sent what the test
        gave, or thrown Unanswered; returns the result. Written apart, since a generator would double what a quick test costs."""
        rules = self._rules
        index, end = 0, len(rules)
        while index < end:
            rule = rules[index]
            try:
                found = yield rule.source
            except Unanswered as reason:
                self.unanswered(rule.source, reason)
                index = rule.otherwise
                continue
            if (found is None) is not rule.negated:
                index = rule.otherwise
            elif rule.result is not None:
                return rule.result(found), rule.source
            else:
                index += 1
        return None


def constant(text: str) -> Result:
    """A result that does not depend on what matched."""
    return lambda _found: text
