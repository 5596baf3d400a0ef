"""Functions of VBounce: bounces of mail that we never sent."""

from typing import Final

from gatepost.filter.port import Eval

EVALS: Final[dict[str, Eval]] = {}
