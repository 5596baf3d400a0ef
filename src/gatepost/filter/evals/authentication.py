"""Functions of SPF, DKIM and DMARC: results that others have found."""

from typing import Final

from gatepost.filter.port import Eval

EVALS: Final[dict[str, Eval]] = {}
