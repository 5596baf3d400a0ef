"""Functions of the plugin TextCat (perldoc Mail::SpamAssassin::Plugin::TextCat)."""

from gatepost.filter.port import Eval

EVALS: dict[str, Eval] = {}
