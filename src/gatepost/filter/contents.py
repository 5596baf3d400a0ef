"""What was found in a message, put together from those who have looked: scanner, lists in the DNS, virus scanners, banned rules.

The scanner has been with hostile content. Of its answer only what looks like names of rules and numbers goes on into headers and
log.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

from gatepost.filter.antivirus.port import Infected, NotScanned, Unscanned, VirusScan
from gatepost.filter.facts import Facts, ScoredHit
from gatepost.filter.learner.port import Opinion
from gatepost.filter.verdict import Contents, Scored

_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,64}")
_MOST_TESTS: Final = 500
_MOST_SCORE: Final = 1e6
_SHOWN: Final = 100  # characters of a name of a virus or a file
_MOST_NAMED: Final = 10

LEARNER: Final = "LEARNER"
"""The name under which the points of the learner stand among the tests."""


def contents(
    facts: Facts | None, answers: Sequence[ScoredHit], virus: VirusScan | None, banned: Sequence[str] = (), *, spam: bool = True
) -> Contents:
    """What a message is. None: not looked for. `answers`: rules that hit because of the DNS. `spam`: whether that was looked
    for."""
    hits = [] if facts is None else [*facts.hits, *answers]
    tests = tuple(_scored(hits))
    score = 0.0 if facts is None else _finite(facts.score) + sum(_finite(hit.score) for hit in answers)
    if facts is not None and facts.learner is not None and facts.learner.points:
        learned = _learned(facts.learner, score)
        tests, score = (*tests, Scored(LEARNER, learned)), score + learned
    return Contents(
        score=round(score, 3),
        tests=tests,
        viruses=_named(virus.names) if isinstance(virus, Infected) else (),
        banned=_named(banned),
        unchecked=_named(_unchecked(facts, virus)),
        scanned=spam and facts is not None,
        virus_scanned=virus is not None and not isinstance(virus, NotScanned),
        left_out=() if facts is None else _named(_left_out(facts)),
    )


def _learned(said: Opinion, score: float) -> float:
    """The points of the learner. Where it holds a message for ham, and rules do not, they count the less the more it knows."""
    points, rules = _finite(said.points), min(1.0, max(0.0, _finite(said.rules)))
    return points - (1 - rules) * score if points < 0 < score else points


def _scored(hits: Iterable[ScoredHit]) -> Iterable[Scored]:
    """Rules that count, by name; those beginning with `__` are there for others."""
    counting = {hit.rule: _finite(hit.score) for hit in hits if not hit.rule.startswith("__") and _NAME.fullmatch(hit.rule)}
    return [Scored(name, counting[name]) for name in sorted(counting)[:_MOST_TESTS]]


def _finite(score: float) -> float:
    return max(-_MOST_SCORE, min(_MOST_SCORE, score)) if math.isfinite(score) else 0.0


def _left_out(facts: Facts) -> Iterable[str]:
    """Rules that were not answered. How much of a message rules see, and how many names they ask for, is the administrator's."""
    yield from facts.faults
    yield from (f"{one.name}: {one.why}" for one in facts.unexamined if one.what == "rule")


def _unchecked(facts: Facts | None, virus: VirusScan | None) -> Iterable[str]:
    """What nobody could look into."""
    if facts is not None:
        yield from (reason.value for reason in facts.archives.unchecked)
        encrypted = (node for node in facts.archives.nodes if node.encrypted)
        yield from (f"encrypted: {node.names[0].decode('utf-8', 'replace') if node.names else ''}" for node in encrypted)
    if isinstance(virus, NotScanned) and virus.action is Unscanned.PASS_MARKED:
        yield f"not scanned for viruses: {virus.why}"


def _named(names: Iterable[str]) -> tuple[str, ...]:
    """Names for people: printable ASCII, short, few, each once."""
    shown = dict.fromkeys("".join(c if " " <= c <= "~" else "?" for c in name[:_SHOWN]).strip() for name in names)
    return tuple(shown)[:_MOST_NAMED]
