"""Functions of WelcomeListSubject: subjects that the administrator lists."""

from typing import Final

from gatepost.filter.port import Eval

EVALS: Final[dict[str, Eval]] = {}
