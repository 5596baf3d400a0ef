"""What `gatepost check` finds in tables that are read rule by rule (pcre, regexp, cidr): rules that will be skipped, each with its
file and line. Postfix tells of these when a daemon opens the table, and goes on without the rule."""

from collections.abc import Iterator
from typing import Final

from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.faults import Fault
from gatepost.config.usage import scopes
from gatepost.lookup.port import Unavailable
from gatepost.lookup.registry import Tables
from gatepost.service.agent.granted_tables import leaves

_TYPES: Final = frozenset(("cidr", "pcre", "regexp"))
_RULE: Final = "correct the rule; until then the table is used without it"
_TABLE: Final = "until then, mail that needs the table waits"


def check_patterns(configuration: Configuration) -> Iterator[Fault]:
    """Each table is read once, whoever names it. A file that does not exist is told elsewhere."""
    seen: set[str] = set()
    for scope in scopes(configuration):
        for name, _, _ in scope.settings:
            if name not in configuration.parameters:
                continue
            try:
                value = configuration.value(name, scope.overrides)
            except ConfigurationError:
                continue  # told elsewhere
            for spec in tables_in(value):
                if spec.partition(":")[0] in _TYPES and spec not in seen:
                    seen.add(spec)
                    for text, remedy in complaints(spec):
                        yield configuration.fault(name, text, remedy, scope.overrides)


def tables_in(value: str) -> Iterator[str]:
    """The tables in a value, those in `{...}` of a restriction among them."""
    for word in leaves(value):
        if word.startswith("{"):
            yield from tables_in(word[1:].rpartition("}")[0])
        else:
            yield word


def complaints(spec: str) -> Iterator[tuple[str, str]]:
    """(what is wrong with a table, what to do or what follows)."""
    said: list[str] = []
    try:
        Tables(said.append, strict=True).open(spec).close()
    except Unavailable as failure:
        if "No such file" not in failure.why:
            yield failure.why, _TABLE
    for text in said:
        yield text, _RULE
