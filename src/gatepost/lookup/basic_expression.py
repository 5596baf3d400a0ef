"""POSIX basic regular expressions, with GNU's additions, rewritten as extended ones (regex(7); regexp_table(5), flag x)."""

from collections.abc import Iterator

# Operators in extended syntax as they stand, in basic syntax behind a backslash.
_OPERATORS = frozenset("(){}|+?")


def _tokens(pattern: str) -> Iterator[str]:
    """Characters, escapes and bracket expressions."""
    index = 0
    while index < len(pattern):
        end = index + 1
        if pattern[index] == "\\":
            end = index + 2
        elif pattern[index] == "[":
            end = _bracket_end(pattern, index)
        yield pattern[index:end]
        index = end


def _bracket_end(pattern: str, start: int) -> int:
    index = start + 1
    index += pattern[index : index + 1] == "^"
    index += pattern[index : index + 1] == "]"
    while index < len(pattern) and pattern[index] != "]":
        kind = pattern[index + 1 : index + 2]
        closing = pattern.find(f"{kind}]", index + 2) if pattern[index] == "[" and kind and kind in ":.=" else -1
        index = closing + 2 if closing >= 0 else index + 1
    return index + 1


def to_extended(pattern: str) -> str:
    """The same expression in extended syntax."""
    out: list[str] = []
    tokens = list(_tokens(pattern))
    for index, token in enumerate(tokens):
        first = _starts(tokens, index)
        last = index == len(tokens) - 1 or tokens[index + 1] in (r"\)", r"\|")
        if len(token) == 2 and token[0] == "\\" and token[1] in _OPERATORS:
            out.append(token[1])
        elif token in _OPERATORS:
            out.append("\\" + token)
        elif token == "*" and (first or (tokens[index - 1] == "^" and _starts(tokens, index - 1))):
            out.append(r"\*")
        elif (token == "^" and not first) or (token == "$" and not last):
            out.append("\\" + token)
        else:
            out.append(token)
    return "".join(out)


def _starts(tokens: list[str], index: int) -> bool:
    """Whether an expression, a group or an alternative starts at `index`."""
    return index == 0 or tokens[index - 1] in (r"\(", r"\|")
