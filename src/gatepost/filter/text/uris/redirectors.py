"""Redirectors that rule files know (`redirector_pattern`): URIs whose path or query names where they lead to."""

import re
from collections.abc import Iterable
from typing import Final

from gatepost.lookup.matching import Subject, TooMuch, Unanswered
from gatepost.lookup.pcre2 import CASELESS, DOTALL, EXTENDED, MULTILINE, Expression, LibraryMissing

_QUOTED: Final = re.compile(r"(?:m\s*(?P<open>\W)|(?P<stroke>/))(?P<pattern>.*)(?P<close>\W)(?P<flags>[a-z]*)\Z", re.DOTALL)
_FLAGS: Final = {"i": CASELESS, "s": DOTALL, "x": EXTENDED, "m": MULTILINE}


class Redirectors:
    """The patterns of a rule set. One that is none is left out; one that takes too long knows nothing."""

    def __init__(self, values: Iterable[str]) -> None:
        self._each: list[Expression] = []
        alternatives: list[str] = []
        for value in values:
            if (found := _QUOTED.match(value.strip())) is not None:
                flags = sum({_FLAGS.get(flag, 0) for flag in found["flags"]})
                try:
                    self._each.append(Expression(found["pattern"].encode(), flags, captures=True))
                except (ValueError, LibraryMissing):
                    continue
                inline = "".join(sorted(set(found["flags"]) & _FLAGS.keys()))
                alternatives.append(f"(?{inline}:{found['pattern']})")
        self._any = Expression("|".join(alternatives).encode(), 0, captures=False) if self._each else None

    def targets(self, uri: str) -> list[str]:
        """Where `uri` leads to."""
        if self._any is None:
            return []
        subject = Subject(uri.encode("utf-8", "surrogateescape"))
        if _search(self._any, subject) is None:
            return []
        found = [_search(expression, subject) for expression in self._each]
        return [groups[1].decode("utf-8", "surrogateescape") for groups in found if groups and len(groups) > 1 and groups[1]]


def _search(expression: Expression, subject: Subject) -> tuple[bytes, ...] | None:
    try:
        return expression.search(subject)
    except (TooMuch, Unanswered):
        return None
