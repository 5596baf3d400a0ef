"""Functions of the plugin URIEval."""

from gatepost.filter.port import Eval

EVALS: dict[str, Eval] = {}
