"""What the learner sees of a message: tokens in four groups, each of which is weighed on its own.

Nothing in them says by which way a message came, to whom, or what an earlier filter held of it: headers of transport, lists,
dates and verdicts teach where mail was collected, and nothing that lasts (docs/decisions/0051).
"""

from collections.abc import Iterable
from typing import Final
from zlib import crc32

from msgspec import Struct

from gatepost.filter.learner.form_features import form_tokens
from gatepost.filter.learner.link_features import link_tokens
from gatepost.filter.learner.sender_features import sender_tokens
from gatepost.filter.learner.text_features import text_tokens
from gatepost.filter.port import Examined

GROUPS: Final = ("text", "sender", "links", "form")
"""text: what a message says. sender: Subject and From. links: where they lead. form: HTML, parts, and what words look like."""
BITS: Final = 20
SLOTS: Final = 1 << BITS
"""Tokens are told apart so far."""
_MASK: Final = SLOTS - 1
MOST: Final = 6000
"""Tokens of a group that count."""


class Features(Struct, frozen=True):
    """Tokens of a message, as people read them, a group each."""

    groups: tuple[tuple[str, ...], ...]

    def slots(self) -> tuple[tuple[int, ...], ...]:
        """The places of their weights, in the same order."""
        return tuple(
            tuple([crc32(token.encode("utf-8", "surrogatepass")) & (SLOTS - 1) for token in group]) for group in self.groups
        )


def features(examined: Examined) -> Features:
    """The features of a message, each once, in an order that is always the same."""
    return Features(tuple(_bounded(group(examined)) for group in (text_tokens, sender_tokens, link_tokens, form_tokens)))


def _bounded(tokens: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tokens))[:MOST]
