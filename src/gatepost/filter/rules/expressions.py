"""Expressions of metas and conditions: a small part of Perl's (perlop(1)), parsed into trees. No text is handed to Python.

A tree is a number, a name, or an operator and its operands: `&&`, `||`, `+` and `*` of any number of them, `neg`, `!`, `/`, the six
comparisons, and `?` of three. `a - b` is `+` of a and `neg` of b.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import msgpack

from gatepost.filter.rules.ruleset import Node

LONGEST: Final = 5_000
"""Words and signs of one expression."""
DEEPEST: Final = 20
"""Brackets within brackets. Whoever walks a tree calls itself some 30 times for each."""
IN_A_ROW: Final = 4
"""Signs before one word, and divisions of one term."""

_TOKEN: Final = re.compile(
    r"\s*(?:(\d+(?:\.\d+)?|\.\d+)(?!\w)|([A-Za-z_]\w*(?:::\w+)*)|(&&|\|\||[<>=!]=|[-+*/<>!?:(),]))", re.ASCII
)
_ARGUMENT: Final = re.compile(r"\s*\(([^()]*)\)")
_EQUALITIES: Final = ("==", "!=")
_ORDERS: Final = ("<", ">", "<=", ">=")

Called = Callable[[str, str], Node]
"""What a name with one argument in brackets stands for. Raises NotUnderstood."""


class NotUnderstood(ValueError):
    """An expression that is none; the message says why."""


def parsed(text: str, called: Called) -> Node:
    """The tree of an expression. Raises NotUnderstood."""
    parser = _Parser(text, called)
    tree = parser.choice()
    if parser.word:
        raise NotUnderstood(f"{parser.word} stands where an operator is expected")
    return tree


def encoded(tree: Node) -> bytes:
    return msgpack.encode(tree)


def decoded(octets: bytes) -> Node:
    """The tree, its tuples as lists: they are only read."""
    tree: Node = msgpack.decode(octets)
    return tree


def names(tree: Node) -> Iterator[str]:
    """The names in a tree, each as often as it stands."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, Sequence):
        for operand in tree[1:]:
            yield from names(operand)


class _Parser:
    """Precedence climbing, a method a level. `word` is the one to come, empty at the end."""

    def __init__(self, text: str, called: Called) -> None:
        self.text = text
        self.called = called
        self.at = 0
        self.count = 0
        self.depth = 0
        self.word = self.kind = ""
        self.forward()

    def forward(self) -> str:
        """The word that stood here; the next one is read."""
        passed = self.word
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            rest = self.text[self.at :].strip()
            if rest:
                raise NotUnderstood(f"{rest[:20]} means nothing here")
            self.word = self.kind = ""
        else:
            self.at = found.end()
            self.kind = "number" if found.group(1) else "name" if found.group(2) else "sign"
            self.word = found.group().strip()
        self.count += 1
        if self.count > LONGEST:
            raise NotUnderstood(f"it has more than {LONGEST} words")
        return passed

    def took(self, *words: str) -> str:
        return self.forward() if self.kind == "sign" and self.word in words else ""

    def choice(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise NotUnderstood(f"it is nested deeper than {DEEPEST}")
        tree = self.either()
        if self.took("?"):
            yes = self.choice()
            if not self.took(":"):
                raise NotUnderstood("a ? without its :")
            tree = ("?", tree, yes, self.choice())
        self.depth -= 1
        return tree

    def either(self) -> Node:
        return self.chained("||", self.both)

    def both(self) -> Node:
        return self.chained("&&", self.equal)

    def chained(self, sign: str, below: Callable[[], Node]) -> Node:
        operands = [below()]
        while self.took(sign):
            operands.append(below())
        return operands[0] if len(operands) == 1 else (sign, *operands)

    def equal(self) -> Node:
        return self.compared(_EQUALITIES, self.ordered)

    def ordered(self) -> Node:
        return self.compared(_ORDERS, self.sum)

    def compared(self, signs: tuple[str, ...], below: Callable[[], Node]) -> Node:
        """`a < b < c` is `a < b && b < c`, as in Perl since 5.32."""
        left = below()
        comparisons: list[Node] = []
        while sign := self.took(*signs):
            right = below()
            comparisons.append((sign, left, right))
            left = right
        if not comparisons:
            return left
        return comparisons[0] if len(comparisons) == 1 else ("&&", *comparisons)

    def sum(self) -> Node:
        terms = [self.product()]
        while sign := self.took("+", "-"):
            term = self.product()
            terms.append(term if sign == "+" else ("neg", term))
        return terms[0] if len(terms) == 1 else ("+", *terms)

    def product(self) -> Node:
        tree = self.single()
        divisions = 0
        while sign := self.took("*", "/"):
            operand = self.single()
            if sign == "/":
                divisions += 1
                tree = ("/", tree, operand)
            elif isinstance(tree, tuple) and tree[0] == "*":
                tree = (*tree, operand)
            else:
                tree = ("*", tree, operand)
        if divisions > IN_A_ROW:
            raise NotUnderstood(f"it has more than {IN_A_ROW} divisions in a row")
        return tree

    def single(self) -> Node:
        signs: list[str] = []
        while sign := self.took("!", "-", "+"):
            signs.append(sign)
            if len(signs) > IN_A_ROW:
                raise NotUnderstood(f"it has more than {IN_A_ROW} signs in a row")
        tree = self.atom()
        for sign in reversed(signs):
            tree = ("!", tree) if sign == "!" else ("neg", tree) if sign == "-" else tree
        return tree

    def atom(self) -> Node:
        if self.took("("):
            tree = self.choice()
            if not self.took(")"):
                raise NotUnderstood("a ( without its )")
            return tree
        if self.kind == "number":
            word = self.forward()
            return float(word) if "." in word else int(word)
        if self.kind == "name":
            argument = _ARGUMENT.match(self.text, self.at)
            if argument is None:
                return self.forward()
            self.at = argument.end()
            return self.called(self.forward(), argument.group(1).strip())
        raise NotUnderstood(f"{self.word or 'nothing'} stands where a name or a number is expected")
