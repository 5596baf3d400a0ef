"""Rules of the plugin URIDetail (perldoc Mail::SpamAssassin::Plugin::URIDetail): conditions that one URI has to meet together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from gatepost.filter.port import Uri
from gatepost.filter.rules.ruleset import Condition, Pattern

Matches = Callable[[Pattern, bytes], bool]
"""Whether a pattern matches a text, within the limits of all rules."""

_VALUES: Final[Mapping[str, Callable[[Uri], Iterable[bytes]]]] = {
    "raw": lambda uri: (uri.raw,),
    "type": lambda uri: (kind.encode() for kind in sorted(uri.kinds)),
    "cleaned": lambda uri: uri.cleaned,
    "text": lambda uri: uri.anchors,
    "domain": lambda uri: dict.fromkeys(uri.hosts.values()),
    "host": lambda uri: uri.hosts,
}
"""What each key of a condition looks at."""


def meets(conditions: Sequence[Condition], uris: Iterable[Uri], matches: Matches) -> Uri | None:
    """The first URI that meets all conditions. One with `!~` is met by a value that does not match: there has to be one. Of two
    conditions with one key the later counts, as in SpamAssassin."""
    by_key = {condition.key: condition for condition in conditions}
    return next((uri for uri in uris if all(_met(condition, uri, matches) for condition in by_key.values())), None)


def _met(condition: Condition, uri: Uri, matches: Matches) -> bool:
    return any(matches(condition.pattern, value) is not condition.negated for value in _VALUES[condition.key](uri))
