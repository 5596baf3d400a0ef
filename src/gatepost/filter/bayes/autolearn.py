"""Whether a message is learned without anybody's word, from the rules that it hits.

Source: Mail::SpamAssassin::Plugin::AutoLearnThreshold(3pm).
"""

import enum
from collections.abc import Iterable

from msgspec import Struct


class Kind(enum.Enum):
    """What a message is learned as."""

    HAM = "ham"
    SPAM = "spam"


class Points(Struct, frozen=True):
    """What a rule adds.

    score: in the score set without Bayes (0 or 1).
    flags: its tflags.
    header, body: where it looks; a meta rule at neither, or at what it is told to (autolearn_header, autolearn_body).
    """

    score: float
    flags: frozenset[str] = frozenset()
    header: bool = False
    body: bool = False


class Thresholds(Struct, frozen=True):
    """bayes_auto_learn_threshold_nonspam and _spam. `on_error`: only where Bayes does not agree yet (bayes_auto_learn_on_error)."""

    ham: float = 0.1
    spam: float = 12.0
    on_error: bool = False


_LEAST = 3.0
"""Points from headers, and from the body, without which nothing is learned as spam."""
_LEAST_SPAM = 6.0
_UNCOUNTED = frozenset(("noautolearn", "userconf", "learn"))
_SURE = (0.01, 0.99)
"""Below and above which Bayes agrees already."""


def learned_as(rules: Iterable[Points], thresholds: Thresholds, bayes: float | None) -> Kind | None:
    """What a message is learned as; None: it is not. `bayes`: what Bayes says of it."""
    counted = [rule for rule in rules if not rule.flags & _UNCOUNTED]
    score = sum(rule.score for rule in counted)
    kind = _kind(counted, score, thresholds)
    if kind is None or _contradicted(kind, bayes):
        return None
    if thresholds.on_error and bayes is not None and (bayes <= _SURE[0] if kind is Kind.HAM else bayes >= _SURE[1]):
        return None
    return kind


def _kind(rules: list[Points], score: float, thresholds: Thresholds) -> Kind | None:
    if score < thresholds.ham:
        return Kind.HAM
    forced = any("autolearn_force" in rule.flags for rule in rules)
    if score < (_LEAST_SPAM if forced else max(_LEAST_SPAM, thresholds.spam)):
        return None
    header = sum(rule.score for rule in rules if rule.header or "autolearn_header" in rule.flags)
    body = sum(rule.score for rule in rules if rule.body or "autolearn_body" in rule.flags)
    return Kind.SPAM if forced or (header >= _LEAST and body >= _LEAST) else None


def _contradicted(kind: Kind, bayes: float | None) -> bool:
    """Whether Bayes is sure of the other: what is so unclear teaches nobody."""
    if bayes is None:
        return False
    return bayes >= _SURE[1] if kind is Kind.HAM else bayes <= _SURE[0]
