"""The patterns of a ruleset, a group for each kind of text, and their databases for Hyperscan.

Databases take seconds to make and a moment to read: `encoded` and `decoded` are for a cache on disk. They are of a ruleset and a
release of Hyperscan; whoever keeps them says which (service/scanner/loading.py).
"""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct, msgpack

from gatepost.filter.match import prefilter
from gatepost.filter.match.pattern import Pattern
from gatepost.filter.match.prefilter import Compiled
from gatepost.filter.rules.ruleset import Kind, Rule, Ruleset

OF_HEADER: Final = "header "
"""How the names of groups begin whose text is a header: its name as rules have it follows."""
OF_PARTS: Final = "mimeheader "
"""The same of those whose texts are a header of all parts; behind its name the flags that say which (`range=2-`, `concat`)."""

_OF_SEVERAL_TEXTS: Final = frozenset((Kind.BODY, Kind.RAWBODY, Kind.URI))
_ONE_GROUP: Final = frozenset((*_OF_SEVERAL_TEXTS, Kind.FULL))


class Databases(Struct, frozen=True):
    """By the name of the group. `made_by`: a release of Hyperscan, empty without one."""

    made_by: str
    groups: dict[str, Compiled]


def patterns(ruleset: Ruleset) -> Mapping[str, list[Pattern]]:
    """The patterns of all rules that can be run and may ever score, by group: a kind of text, or a header."""
    found: dict[str, list[Pattern]] = {}
    for rule in ruleset.rules.values():
        if not rule.hindrance and (rule.subrule or any(rule.scores)):
            for group in _groups(rule):
                found.setdefault(group, []).append(_pattern(rule))
    return found


def _groups(rule: Rule) -> Iterator[str]:
    if rule.pattern is None:
        return
    if rule.kind in _ONE_GROUP:
        yield rule.kind.value
    elif rule.kind is Kind.HEADER:
        yield OF_HEADER + rule.header
    elif rule.kind is Kind.MIMEHEADER:
        which = (flag for flag in rule.flags if flag == "concat" or flag.startswith("range="))
        yield OF_PARTS + " ".join((rule.header, *which))


def _pattern(rule: Rule) -> Pattern:
    found = rule.pattern
    assert found is not None
    return Pattern(
        rule.name,
        found.octets,
        found.options,
        found.prefilter,
        most=rule.most,
        passed_over=int(rule.kind is Kind.BODY and "nosubject" in rule.flags),
        negated=rule.negated,
        unset=rule.unset or b"",
    )


def over_all(group: str) -> bool:
    """Whether a message has several texts for this group."""
    return group in _OF_SEVERAL_TEXTS or group.startswith(OF_PARTS)


def compiled(ruleset: Ruleset) -> Databases:
    """Make them: seconds of work."""
    groups = {name: prefilter.compiled(found, over_all=over_all(name)) for name, found in patterns(ruleset).items()}
    return Databases(prefilter.version(), groups)


def encoded(databases: Databases) -> bytes:
    """For a cache."""
    return msgpack.encode(databases)


def decoded(octets: bytes) -> Databases:
    """Raises msgspec.MsgspecError for anything else than what `encoded` made."""
    return msgpack.decode(octets, type=Databases)
