"""Functions of the plugin HTMLEval, over the facts of the rendering (Text.html)."""

from gatepost.filter.port import Eval

EVALS: dict[str, Eval] = {}
