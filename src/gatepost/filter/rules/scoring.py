"""Scores of rules (Conf(3pm), `score`): one or four of them, or what is to be added to those that stand."""

import re
from collections.abc import Sequence
from typing import Final

Four = tuple[float, float, float, float]

TESTED: Final = 0.01
"""The score of a rule that is tried out (`T_NAME`) and has none."""

_PLAIN: Final = re.compile(r"-?\d+(?:\.\d+)?\Z")
_RELATIVE: Final = re.compile(r"\((-?\d+(?:\.\d+)?)\)\Z")


def changed(before: Four | None, words: Sequence[str]) -> Four:
    """The scores after a line. Raises ValueError with what is wrong with it."""
    if plain := _numbers(words, _PLAIN, 0):
        return plain
    added = _numbers(words, _RELATIVE, 1)
    if added is None:
        raise ValueError(f"score wants one number or four, not {' '.join(words)[:60] or 'none'}")
    if before is None:
        raise ValueError("a relative score, and the rule has none before it")
    a, b = before, added
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3])


def _numbers(words: Sequence[str], form: re.Pattern[str], group: int) -> Four | None:
    found = [form.match(word) for word in words]
    values = [float(match.group(group)) for match in found if match]
    if len(values) != len(words) or len(values) not in (1, 4):
        return None
    one = values * (4 // len(values))
    return (one[0], one[1], one[2], one[3])


def usual(name: str, *, nice: bool) -> Four:
    """The scores of a rule for which no line has any."""
    score = TESTED if name.startswith("T_") else 1.0
    return (-score,) * 4 if nice else (score,) * 4
