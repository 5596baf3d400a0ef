"""The function of the plugin HTTPSMismatch."""

from gatepost.filter.port import Eval

EVALS: dict[str, Eval] = {}
