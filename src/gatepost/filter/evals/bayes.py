"""The function of BAYES_* rules."""

from collections.abc import Sequence
from typing import Final

from gatepost.filter.port import Eval, Examined


def check_bayes(examined: Examined, arguments: Sequence[str]) -> int:
    """Whether the probability lies above the first argument and not above the second; from 0 on where the first is 0."""
    probability = examined.bayes
    if probability is None or examined.option("use_bayes_rules")[-1:] == ("0",):
        return 0
    low, high = (float(argument) for argument in arguments[:2])
    return int((low == 0 or probability > low) and (high == 1 or probability <= high))


EVALS: Final[dict[str, Eval]] = {"check_bayes": check_bayes}
