"""`mimeheader` rules: the values of a header over all parts."""

from typing import Final

from gatepost.filter.port import Eval

EVALS: Final[dict[str, Eval]] = {}
