"""What has been read so far: rules and what other lines say of them, until a frozen `Ruleset` is made of it."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct

from gatepost.filter.rules import scoring
from gatepost.filter.rules.definitions import Malformed, Written
from gatepost.filter.rules.expressions import NotUnderstood, encoded, names, parsed
from gatepost.filter.rules.literals import Untranslatable
from gatepost.filter.rules.perl import translated
from gatepost.filter.rules.plugins import OF_EVAL, PLUGINS
from gatepost.filter.rules.replacing import Tags
from gatepost.filter.rules.ruleset import Condition, Fault, Kind, Lookup, Node, Pattern, Rule, Ruleset, Sample
from gatepost.filter.rules.settings import Options
from gatepost.filter.rules.values import number

MOST_FAULTS: Final = 1_000
MOST_RULES: Final = 100_000
MOST_TRIED: Final = 20_000_000
"""Names that are tried with the globs of all metas."""
CAPTURING: Final = -10_000
"""The priority of a rule whose groups become tags."""
ASKING: Final = -100
"""The priority of a rule that asks the network."""


class _Entry(Struct):
    """A rule under its name."""

    written: Written
    source: str
    pattern: Pattern | None = None
    conditions: tuple[Condition, ...] = ()
    tree: Node = 0


class Book:
    """All that lines have said. The methods raise ValueError with what is wrong with a line."""

    def __init__(self) -> None:
        self.options = Options()
        self.tags = Tags()
        self.plugins: dict[str, None] = {}
        self.versions: dict[str, None] = {}
        self.lookups: dict[str, Lookup] = {}
        self.tests: list[Sample] = []
        self.faults: list[Fault] = []
        self.untold = 0
        self.descriptions: dict[str, str] = {}
        self.flags: dict[str, tuple[str, ...]] = {}
        self.priorities: dict[str, int] = {}
        self._scores: dict[str, scoring.Four] = {}
        self._entries: dict[str, _Entry] = {}
        self._tried = 0

    def fault(self, where: str, text: str, rule: str = "") -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(where, text, rule))
        else:
            self.untold += 1

    def define(self, name: str, written: Written, source: str) -> None:
        """A rule, in place of one of this name. Its pattern is translated, so that a bad line leaves what stood before it."""
        entry = _Entry(written, source)
        if written.pattern:
            entry.pattern = translated(written.pattern)
        entry.conditions = tuple(Condition(key, translated(text), negated) for key, negated, text in written.conditions)
        if written.kind is Kind.META:
            entry.tree = _tree(written.expression)
        elif not (written.pattern or written.conditions or written.exists or written.call or written.lookup):
            raise Malformed("its pattern is missing")
        if len(self._entries) >= MOST_RULES and name not in self._entries:
            raise Malformed(f"it is left out: there are {MOST_RULES} rules already")
        self._entries[name] = entry

    def score(self, name: str, words: list[str]) -> None:
        self._scores[name] = scoring.changed(self._scores.get(name), words)

    def frozen(self) -> Ruleset:
        self._mark_asking()
        rules = {name: self._rule(name, entry) for name, entry in self._entries.items()}
        if self.untold:
            self.faults.append(Fault("", f"{self.untold} more faults, which are not told"))
        return Ruleset(
            rules=rules,
            options=self.options.frozen(),
            lookups=self.lookups,
            plugins=tuple(self.plugins),
            faults=tuple(self.faults),
            tests=tuple(self.tests),
            versions=tuple(self.versions),
        )

    def _mark_asking(self) -> None:
        """A meta that hangs on a rule of the network is one, too."""
        above: dict[str, list[str]] = {}
        for name, entry in self._entries.items():
            for used in names(entry.tree):
                above.setdefault(used, []).append(name)
        asking = [name for name, flags in self.flags.items() if "net" in flags and name in self._entries]
        while asking:
            for name in above.get(asking.pop(), ()):
                flags = self.flags.get(name, ())
                if "net" not in flags:
                    self.flags[name] = (*flags, "net")
                    asking.append(name)

    def _rule(self, name: str, entry: _Entry) -> Rule:
        written, flags = entry.written, self.flags.get(name, ())
        pattern, hindrance = self._replaced(name, entry)
        expression = b""
        if written.kind is Kind.META:
            try:
                expression = encoded(self._expanded(entry.tree, name))
            except NotUnderstood as reason:
                hindrance = str(reason)
        return Rule(
            name=name,
            kind=written.kind,
            source=entry.source,
            header=written.header,
            exists=written.exists,
            negated=written.negated,
            unset=None if written.unset is None else written.unset.encode("latin-1"),
            pattern=pattern,
            call=written.call,
            conditions=entry.conditions,
            expression=expression,
            lookup=written.lookup,
            flags=flags,
            priority=self._priority(name, pattern, flags),
            description=self.descriptions.get(name, ""),
            scores=self._scores.get(name) or scoring.usual(name, nice="nice" in flags),
            hindrance=hindrance or self._missing(name, written),
        )

    def _replaced(self, name: str, entry: _Entry) -> tuple[Pattern | None, str]:
        """The pattern with its tags replaced, and why it cannot be run then."""
        if name not in self.tags.rules or not entry.written.pattern:
            return entry.pattern, ""
        try:
            return translated(self.tags.replaced(entry.written.pattern)), ""
        except Untranslatable as reason:
            return None, f"with its tags replaced: {reason}"

    def _priority(self, name: str, pattern: Pattern | None, flags: tuple[str, ...]) -> int:
        own = self.priorities.get(name, 0)
        if own:
            return own
        if pattern and pattern.captures:
            return CAPTURING
        return ASKING if "net" in flags else 0

    def _missing(self, name: str, written: Written) -> str:
        """Which plugin a call lacks."""
        if written.call is None:
            return ""
        function = written.call.function
        plugin = OF_EVAL.get(function)
        if plugin is None:
            return f"{function} is no function that is known"
        if plugin not in self.plugins:
            return f"{function} is of the plugin {plugin}, which no loadplugin names"
        if PLUGINS[plugin].outside:
            return f"{function} {PLUGINS[plugin].outside}"
        if function == "check_uridnsbl" and name not in self.lookups:
            return "no line says where it asks (urirhsbl, urirhssub, uridnsbl ...)"
        return ""

    def _expanded(self, tree: Node, name: str) -> Node:
        """The tree with the names that `rules_matching` stands for."""
        if not isinstance(tree, tuple):
            return tree
        if tree[0] == "glob":
            self._tried += len(self._entries)
            if self._tried > MOST_TRIED:
                raise NotUnderstood(f"rules_matching() of all metas would try more than {MOST_TRIED} names")
            found = list(self._matching(str(tree[1]), name))
            return ("+", *found) if found else 0
        return (tree[0], *(self._expanded(operand, name) for operand in tree[1:]))

    def _matching(self, glob: str, name: str) -> Iterator[str]:
        return (other for other in self._entries if other != name and fnmatchcase(other, glob))


def _tree(expression: str) -> Node:
    def called(function: str, argument: str) -> Node:
        if function != "rules_matching":
            raise NotUnderstood(f"{function}() is no function of metas")
        if not argument or not all(character.isalnum() or character in "_*?" for character in argument):
            raise NotUnderstood(f"rules_matching({argument}) names no rules")
        return ("glob", argument)

    tree = parsed(expression, called)
    try:
        number(_without_globs(tree), lambda name: 0)
    except ZeroDivisionError:
        raise NotUnderstood("it divides by zero where nothing hits") from None
    return tree


def _without_globs(tree: Node) -> Node:
    if not isinstance(tree, tuple):
        return tree
    return 0 if tree[0] == "glob" else (tree[0], *map(_without_globs, tree[1:]))
