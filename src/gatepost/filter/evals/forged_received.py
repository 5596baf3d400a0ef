"""Functions of HeaderEval: senders of large providers, and Received lines that these would not have written."""

from typing import Final

from gatepost.filter.port import Eval

EVALS: Final[dict[str, Eval]] = {}
