"""A pattern of a rule, and what its notation says of how it may be looked for."""

import re
from typing import Final

from msgspec import Struct

from gatepost.lookup import pcre2

_OF_ONE_TEXT: Final = re.compile(rb"\\[AZzGKRN]|\(\?<?!|\(\?>|[+*?}]\+|\(\?\(|\(\*|\(\?[a-z]*-[a-z]*m|\(\?\^")
"""What means something else where texts follow each other: anchors of the whole, what must not follow, what gives nothing back."""


class Pattern(Struct, frozen=True):
    """One pattern.

    rule: whose it is.
    expression, options: in the notation and with the options of PCRE2.
    rough: for Hyperscan, with the same options, something that finds at least the same; empty where there is none.
    most: how often it is looked for (tflags multiple, maxhits): 1, whether it is there at all; 0, as often as it is.
    passed_over: how many texts at the beginning are not looked at (tflags nosubject: the first of a body).
    negated: it hits where it is not there (`!~`).
    unset: what is taken for a header that is not there.
    """

    rule: str
    expression: bytes
    options: int = 0
    rough: bytes = b""
    most: int = 1
    passed_over: int = 0
    negated: bool = False
    unset: bytes = b""

    @property
    def spans_texts(self) -> bool:
        """Whether looking for it, with PCRE2's MULTILINE, in all texts behind one another finds at least what is in each of them,
        at the same place."""
        return not _OF_ONE_TEXT.search(self.expression)

    @property
    def over_all(self) -> int:
        """The options for that."""
        return self.options | pcre2.MULTILINE
