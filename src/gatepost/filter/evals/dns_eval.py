"""Functions of DNSEval that ask nobody: there are none. Those that do are asked by the worker (evals/network.py)."""

from typing import Final

from gatepost.filter.port import Eval

EVALS: Final[dict[str, Eval]] = {}
