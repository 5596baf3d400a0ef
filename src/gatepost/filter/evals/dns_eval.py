"""Functions of DNSEval that ask nobody."""

from typing import Final

from gatepost.filter.port import Eval

EVALS: Final[dict[str, Eval]] = {}
