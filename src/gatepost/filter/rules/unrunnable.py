"""Which rules cannot be run, and why: what `gatepost check` and a scanner's start tell of a rule set."""

from collections.abc import Collection, Iterator

from gatepost.filter.rules import expressions
from gatepost.filter.rules.metas import Metas
from gatepost.filter.rules.ruleset import BAYES, NET, Fault, Kind, Pattern, Rule, Ruleset
from gatepost.lookup.pcre2 import Expression


def unrunnable(ruleset: Ruleset, functions: Collection[str]) -> tuple[Fault, ...]:
    """A fault for each rule that is on and cannot be run, in the order of the files.

    functions: of `eval:` rules that there are.
    Compiles each pattern: 50 ms for those of Debian. Raises pcre2.LibraryMissing.
    """
    wanted = {rule.name for scores in range(NET | BAYES + 1) for rule in ruleset.active(scores)}
    metas = _circular(ruleset)
    found: list[Fault] = []
    for rule in ruleset.rules.values():
        if rule.name in wanted or rule.hindrance:
            reason = rule.hindrance or next(_reasons(rule, functions, metas), "")
            if reason:
                found.append(Fault(rule.source, reason, rule.name))
    return tuple(found)


def _reasons(rule: Rule, functions: Collection[str], circular: Collection[str]) -> Iterator[str]:
    if rule.call and rule.call.function not in functions:
        yield f"{rule.call.function} is no function that Gatepost has"
    for pattern in (*filter(None, (rule.pattern,)), *(condition.pattern for condition in rule.conditions)):
        if reason := _refused(pattern):
            yield reason
    if rule.name in circular:
        yield "it hangs in a circle of metas, and never hits"


def _refused(pattern: Pattern) -> str:
    """What PCRE2 has against a pattern, empty for nothing."""
    try:
        Expression(pattern.octets, pattern.options, captures=False)
    except ValueError as reason:
        return str(reason)
    return ""


def _circular(ruleset: Ruleset) -> frozenset[str]:
    """Metas that hang in a circle, or on one; those that hang on metas which are switched off are not among them."""
    metas = {rule.name: rule for rule in ruleset.rules.values() if rule.kind is Kind.META and rule.expression}
    never = {name for scores in (0, NET | BAYES) for name in Metas(ruleset, scores).never}
    used = {
        name: {other for other in expressions.names(expressions.decoded(metas[name].expression)) if other in metas}
        for name in never
    }
    circular = set(never)
    while True:  # a meta of which nothing is left that never hits is no part of a circle
        free = {name for name in circular if not used[name] & circular}
        if not free:
            return frozenset(circular)
        circular -= free
