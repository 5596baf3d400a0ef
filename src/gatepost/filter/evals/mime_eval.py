"""Functions of the plugin MIMEEval: encodings, charsets and structure of parts (perldoc Mail::SpamAssassin::Plugin::MIMEEval)."""

from gatepost.filter.port import Eval

EVALS: dict[str, Eval] = {}
