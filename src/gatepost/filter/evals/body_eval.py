"""Functions of the plugin BodyEval: shape and amount of the text."""

from gatepost.filter.port import Eval

EVALS: dict[str, Eval] = {}
