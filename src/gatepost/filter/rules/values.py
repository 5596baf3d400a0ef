"""The value of an expression's tree, with the meaning that Perl gives to its operators."""

from collections.abc import Callable, Sequence
from typing import Final

from gatepost.filter.rules.ruleset import Node

COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def number(tree: Node, value: Callable[[str], float]) -> float:
    """The value of a tree, given those of its names. Raises ZeroDivisionError, and what `value` raises."""
    if isinstance(tree, str):
        return value(tree)
    if not isinstance(tree, Sequence):
        return tree
    operator, operands = tree[0], tree[1:]
    if operator == "&&":
        return _first(operands, value, truth=False)
    if operator == "||":
        return _first(operands, value, truth=True)
    if operator == "?":
        return number(operands[1] if number(operands[0], value) else operands[2], value)
    return _computed(str(operator), [number(operand, value) for operand in operands])


def _first(operands: Sequence[Node], value: Callable[[str], float], *, truth: bool) -> float:
    """The first operand that settles it, else the last."""
    result = 0.0
    for operand in operands:
        result = number(operand, value)
        if bool(result) is truth:
            break
    return result


def _computed(operator: str, values: Sequence[float]) -> float:
    if operator == "!":
        return int(not values[0])
    if operator == "neg":
        return -values[0]
    if operator == "+":
        return sum(values)
    if operator == "*":
        product = 1.0  # of floats: whole numbers would grow with each factor
        for factor in values:
            product *= factor
        return product
    if operator == "/":
        return values[0] / values[1]
    return int(COMPARISONS[operator](values[0], values[1]))
