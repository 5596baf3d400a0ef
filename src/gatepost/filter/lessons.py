"""What there is to learn from mail that somebody has sorted: a scan that asks no rules."""

from collections.abc import Mapping
from typing import Final

from gatepost.filter.bayes.opinion import opinion as bayes_opinion
from gatepost.filter.examination import Examination, Knowledge
from gatepost.filter.facts import Facts, Request
from gatepost.filter.learner.opinion import opinion as learner_opinion
from gatepost.filter.match.search import Budget

_PATTERNS: Final = 5.0
"""Seconds for patterns; the options of rule files name few that are asked for here."""


class Lessons:
    """Scans messages as a Scanner does, for their lessons alone. `options`: settings of rule files; `size`: octets of a message
    that are seen, 0 for all."""

    def __init__(self, options: Mapping[str, tuple[str, ...]], size: int) -> None:
        self._knowledge = Knowledge(options)
        self._size = size

    def scan(self, octets: bytes, request: Request) -> Facts:
        """Facts that hold nothing but what Bayes and the learner may learn."""
        seen = octets.replace(b"\r\n", b"\n")[: self._size or None]
        message = Examination(seen, request.session, self._knowledge, Budget(_PATTERNS))
        return Facts(bayes=bayes_opinion(message, None), learner=learner_opinion(message, None))
