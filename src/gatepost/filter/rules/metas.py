"""Meta rules over the hits of a message (Conf(3pm), `meta`).

A meta is looked at where a rule has hit without which it cannot hit, or where it may hit though nothing has: the others cost
nothing. Its tree becomes nested functions when it is first looked at.

A name stands for how often its rule has hit; rules that are not run, and names that no rule has, for 0. Metas that hang in a
circle never hit, and neither does one that hangs on a meta which is switched off (score 0): SpamAssassin 4 does the same.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from gatepost.filter.rules import expressions
from gatepost.filter.rules.ruleset import Kind, Node, Ruleset
from gatepost.filter.rules.values import COMPARISONS, number

Counts = Mapping[str, float]
_Compiled = Callable[[Counts], float]

_ALWAYS: Final = ""
"""Stands among keys for a meta that may hit where nothing has. No rule has an empty name."""


class Outcome(Struct, frozen=True):
    """hits: metas that hit, and their values. waiting: those that hang on names which are still open."""

    hits: dict[str, float]
    waiting: tuple[str, ...] = ()


class _Meta(Struct, frozen=True):
    expression: bytes
    names: frozenset[str]


class Metas:
    """The metas of a rule set that are run with a score set."""

    def __init__(self, ruleset: Ruleset, scores: int) -> None:
        trees = {rule.name: expressions.decoded(rule.expression) for rule in ruleset.rules.values() if rule.expression}
        on = {rule.name for rule in ruleset.active(scores) if rule.kind is Kind.META}
        names = {name: frozenset(expressions.names(tree)) for name, tree in trees.items()}
        self._order = _ordered(names, on)
        self._metas = {name: _Meta(ruleset.rules[name].expression, names[name]) for name in self._order}
        self._compiled: dict[str, _Compiled] = {}
        frequency = Counter(used for name in self._order for used in names[name])
        self._keyed: dict[str, list[str]] = {}
        for name in self._order:
            for key in _keys(trees[name], frequency) or ():
                self._keyed.setdefault(key, []).append(name)
        self.never = tuple(name for name in on if name not in self._order)

    def evaluate(self, counts: Counts, *, open_names: Collection[str] = (), among: Collection[str] | None = None) -> Outcome:
        """The metas that hit.

        counts: of the rules that have hit, by name; of metas that were settled before, too.
        open_names: names of rules whose result is still to come; what hangs on them waits.
        among: only these are looked at (those that waited), None for all.
        """
        known = dict(counts)
        unknown = set(open_names)
        hits: dict[str, float] = {}
        waiting: list[str] = []
        queue: list[tuple[int, str]] = []
        queued: set[str] = set()

        def look_at(names: Iterable[str]) -> None:
            for name in names:
                if name not in queued and (among is None or name in among):
                    queued.add(name)
                    heapq.heappush(queue, (self._order[name], name))

        if among is not None:
            look_at(name for name in among if name in self._order)
        else:
            for key in (_ALWAYS, *known, *unknown):
                look_at(self._keyed.get(key, ()))
        while queue:
            _, name = heapq.heappop(queue)
            value = self._value(name, known, unknown)
            if value is None:
                unknown.add(name)
                waiting.append(name)
            elif value:
                hits[name] = known[name] = value if value > 0 else 1
            else:
                continue
            look_at(self._keyed.get(name, ()))
        return Outcome(hits, tuple(waiting))

    def _value(self, name: str, known: Counts, unknown: set[str]) -> float | None:
        meta = self._metas[name]
        try:
            if unknown and not unknown.isdisjoint(meta.names):
                return _partly(expressions.decoded(meta.expression), known, unknown)
            compiled = self._compiled.get(name)
            if compiled is None:
                compiled = self._compiled[name] = _function(expressions.decoded(meta.expression))
            return compiled(known)
        except (ZeroDivisionError, OverflowError):
            return 0


def _ordered(names: Mapping[str, frozenset[str]], on: Collection[str]) -> dict[str, int]:
    """The metas that can be computed, each after those that it hangs on. `on`: those that are run."""
    waits = {name: {used for used in names[name] if used in names} for name in on}
    above: dict[str, list[str]] = {}
    for name, used in waits.items():
        for other in used:
            above.setdefault(other, []).append(name)
    ready = sorted((name for name, used in waits.items() if not used), reverse=True)
    order: dict[str, int] = {}
    while ready:
        name = ready.pop()
        order[name] = len(order)
        for other in sorted(above.get(name, ()), reverse=True):
            waits[other].discard(name)
            if not waits[other]:
                ready.append(other)
    return order


def _keys(tree: Node, frequency: Mapping[str, int]) -> frozenset[str]:
    """Names of which one must have hit for the tree to be true; that of _ALWAYS where there are none such."""
    needed = _needed(tree, frequency)
    return frozenset((_ALWAYS,)) if needed is None else needed


def _needed(tree: Node, frequency: Mapping[str, int]) -> frozenset[str] | None:
    """Names such that the tree is 0 where none of them has hit; None where there are none such. An empty set: it is always 0."""
    if isinstance(tree, str):
        return frozenset((tree,))
    if not isinstance(tree, Sequence):
        return None if tree else frozenset()
    operator, operands = str(tree[0]), tree[1:]
    if operator in ("&&", "*"):
        needed = [each for operand in operands if (each := _needed(operand, frequency)) is not None]
        return min(needed, key=lambda names: (sum(frequency[name] for name in names), len(names))) if needed else None
    if operator in ("||", "+"):
        return _together([_needed(operand, frequency) for operand in operands])
    if operator == "neg":
        return _needed(operands[0], frequency)
    if operator in COMPARISONS and _false_at_zero(operator, operands):
        return _together([_needed(operand, frequency) for operand in operands if not isinstance(operand, int | float)])
    return None if _at_zero(tree) else frozenset(expressions.names(tree))


def _together(sets: Sequence[frozenset[str] | None]) -> frozenset[str] | None:
    union: frozenset[str] = frozenset()
    for names in sets:
        if names is None:
            return None
        union |= names
    return union


def _false_at_zero(operator: str, operands: Sequence[Node]) -> bool:
    """Whether a comparison is false where each operand that is no number is 0."""
    left, right = (operand if isinstance(operand, int | float) else 0 for operand in operands)
    return not COMPARISONS[operator](left, right)


def _at_zero(tree: Node) -> bool:
    try:
        return bool(number(tree, lambda name: 0))
    except ZeroDivisionError:
        return False


def _partly(tree: Node, known: Counts, unknown: Collection[str]) -> float | None:
    """The value of a tree where some names are open; None where they decide it."""
    if isinstance(tree, str):
        return None if tree in unknown else known.get(tree, 0)
    if not isinstance(tree, Sequence):
        return tree
    operator = str(tree[0])
    values = [_partly(operand, known, unknown) for operand in tree[1:]]
    if operator == "&&" and any(value == 0 for value in values):
        return 0
    if operator == "*" and any(value == 0 for value in values):
        return 0
    if operator == "||" and values[0]:
        return values[0]
    if operator == "?" and values[0] is not None:
        return values[1] if values[0] else values[2]
    settled = [value for value in values if value is not None]
    if len(settled) < len(values):
        return None
    return number((operator, *settled), lambda name: 0)


def _function(tree: Node) -> _Compiled:
    """The tree as nested functions, so that it is walked once only."""
    if isinstance(tree, str):
        return lambda counts: counts.get(tree, 0)
    if not isinstance(tree, Sequence):
        constant = tree
        return lambda counts: constant
    operator = str(tree[0])
    parts = [_function(operand) for operand in tree[1:]]
    if operator == "&&":
        return _and(parts)
    if operator == "||":
        return _or(parts)
    if operator == "+":
        return lambda counts: sum([part(counts) for part in parts])
    if operator == "!":
        (inner,) = parts
        return lambda counts: int(not inner(counts))
    if operator in COMPARISONS:
        compare, (left, right) = COMPARISONS[operator], parts
        return lambda counts: int(compare(left(counts), right(counts)))
    return lambda counts: number(tree, lambda name: counts.get(name, 0))


def _and(parts: Sequence[_Compiled]) -> _Compiled:
    def value(counts: Counts) -> float:
        result: float = 0
        for part in parts:
            result = part(counts)
            if not result:
                break
        return result

    return value


def _or(parts: Sequence[_Compiled]) -> _Compiled:
    def value(counts: Counts) -> float:
        result: float = 0
        for part in parts:
            result = part(counts)
            if result:
                break
        return result

    return value
