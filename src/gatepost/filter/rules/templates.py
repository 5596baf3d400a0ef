"""Patterns with `%{NAME}`: what other rules have captured, filled in (Conf(3pm), CAPTURING TAGS)."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from gatepost.filter.rules.octets import written
from gatepost.filter.rules.perl import LONGEST as LONGEST_PATTERN
from gatepost.filter.rules.ruleset import Pattern

LONGEST: Final = 1_024
"""Octets of a value that are filled in."""
MOST: Final = 32
"""Values of one tag."""

_TAG: Final = re.compile(rb"(?<!\\)%\{([A-Z0-9_]+(?:\([^\s)]*\))?)\}")


def filled(pattern: Pattern, values: Mapping[str, Sequence[bytes]]) -> Pattern | None:
    """The pattern with the tags' values, as they stand, in place of them; None where one of them is not known, or it became larger
    than a pattern may be."""
    if not pattern.tags:
        return pattern
    if not all(values.get(tag) for tag in pattern.tags):
        return None

    def value(found: re.Match[bytes]) -> bytes:
        each = values[found.group(1).decode()]
        quoted = ("".join(written(code) for code in text[:LONGEST]).encode() for text in each[:MOST])
        return b"(?:" + b"|".join(quoted) + b")"

    largest = max(sum(4 * min(len(text), LONGEST) + 1 for text in values[tag][:MOST]) for tag in pattern.tags)
    if len(pattern.octets) + largest * len(_TAG.findall(pattern.octets)) > LONGEST_PATTERN:
        return None
    return replace(pattern, octets=_TAG.sub(value, pattern.octets), tags=())
