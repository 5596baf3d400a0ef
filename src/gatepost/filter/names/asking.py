"""All that the rules of a ruleset ask about a message, once each, bounded, as values for the worker."""

from collections.abc import Callable, Sequence
from typing import Final

from gatepost.filter.names import hashes, lists, templates, uri_lists
from gatepost.filter.names.asked import Asked
from gatepost.filter.names.questions import Lookups
from gatepost.filter.names.restriction import Restriction
from gatepost.filter.port import Examined
from gatepost.filter.rules.ruleset import Kind, Rule, Ruleset

MOST: Final = 300
"""Questions about a message, those that follow from answers not counted."""
_LONGEST: Final = 15.0


class Asking:
    """The questions of a ruleset.

    scores: the score set; rules that score nothing in it are not asked for.
    most: questions about a message.
    registered: the registered domain of a host.
    """

    def __init__(
        self, ruleset: Ruleset, scores: int, most: int = MOST, registered: Callable[[str], str] = lists.last_two_labels
    ) -> None:
        rules = [rule for rule in ruleset.active(scores) if rule.call is not None or rule.kind is Kind.ASKDNS]
        self._registered = registered
        self._most = most
        self._off = ruleset.last("dns_available") == "no"
        no_lists = ruleset.last("skip_rbl_checks") == "1"
        self._lists = () if no_lists else lists.lists(rules)
        self._uri_lists = uri_lists.uri_lists(rules, ruleset.lookups)
        self._templates = templates.templates(rules)
        self._hashes = hashes.hash_lists(rules)
        self._restriction = Restriction(ruleset.option("dns_query_restriction"))
        self._longest, self._least = _times(ruleset.option("rbl_timeout"))
        self.names = frozenset(rule.name for rule in rules if _asks(rule))

    def lookups(self, examined: Examined) -> Lookups:
        """What is asked about a message."""
        if self._off:
            return Lookups()
        asked = Asked(self._most, self._restriction)
        lists.ask(self._lists, examined, self._registered, asked)
        templates.ask(self._templates, examined, asked)
        hashes.ask(self._hashes, examined, asked)
        uri_lists.ask(self._uri_lists, examined, asked)
        return Lookups(asked.questions(), asked.left_out, self._longest, self._least)


def _asks(rule: Rule) -> bool:
    function = rule.call.function if rule.call else ""
    return rule.kind is Kind.ASKDNS or function.startswith(("check_rbl", "check_uridnsbl", "check_hashbl_", "check_dns_sender"))


def _times(lines: Sequence[str]) -> tuple[float, float]:
    """Of the last `rbl_timeout` that names no zone: its two numbers of seconds."""
    longest, least = _LONGEST, 0.2 * _LONGEST
    for line in lines:
        words = line.split()
        numbers = [_seconds(word) for word in words[:2]]
        if words and len(words) < 3 and None not in numbers:
            longest = numbers[0] or 0.0
            least = (numbers[1] or 0.0) if len(numbers) > 1 else 0.2 * longest
    return max(longest, least), least


_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def _seconds(word: str) -> float | None:
    number, unit = (word[:-1], word[-1]) if word[-1:] in _UNITS else (word, "s")
    return float(number) * _UNITS[unit] if number.replace(".", "", 1).isdigit() else None
