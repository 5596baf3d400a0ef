"""The result text of a regexp or pcre rule: `$1`, `${1}`, `$(1)` stand for what a group matched, `$$` for `$` (regexp_table(5))."""

import re

from gatepost.lookup.opening import Warn
from gatepost.lookup.rules import Result, constant

_REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<curly>[^}]*)\}|\((?P<round>[^)]*)\)|(?P<bare>\w+)|(?P<open>[{(])|)", re.ASCII)
_CLOSE = {"curly", "round", "bare"}


class BadReplacement(ValueError):
    """The result text cannot be used; the message is Postfix's."""


def _number(name: str, groups: int, warn: Warn, where: str) -> int:
    if not (name.isascii() and name.isdigit()):
        warn(f'{where}: non-numeric replacement index "{name}"')
        raise BadReplacement("bad replacement syntax")
    if not 1 <= int(name) <= groups:
        raise BadReplacement(f'out of range replacement index "{int(name)}"')
    return int(name)


def compile_result(text: str, groups: int, warn: Warn, where: str) -> Result:
    """The function from a match to the result that `text` writes. `groups`: how many the pattern has, 0 for a negated one.
    Raises BadReplacement."""
    parts: list[str | int] = []
    last = 0
    for reference in _REFERENCE.finditer(text):
        parts.append(text[last : reference.start()])
        last = reference.end()
        kind = reference.lastgroup
        if kind == "dollar":
            parts.append("$")
        elif kind in _CLOSE:
            parts.append(_number(reference[kind], groups, warn, where))
        elif kind == "open":
            warn(f'truncated macro reference: "{text}"')
            raise BadReplacement("bad replacement syntax")
        else:
            warn(f'empty macro name: "{text}"')
            raise BadReplacement("bad replacement syntax")
    parts.append(text[last:])
    if not any(isinstance(part, int) for part in parts):
        return constant("".join(map(str, parts)))
    return _substitute(tuple(parts))


def _substitute(parts: tuple[str | int, ...]) -> Result:
    def result(match: re.Match[str]) -> str:
        return "".join(part if isinstance(part, str) else match[part] or "" for part in parts)

    return result
