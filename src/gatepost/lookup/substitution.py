"""The result text of a regexp or pcre rule: `$1`, `${1}`, `$(1)` stand for what a group matched, `$$` for `$` (regexp_table(5))."""

import re

from gatepost.lookup.matching import Groups
from gatepost.lookup.opening import Warn
from gatepost.lookup.rules import Result, constant

_REFERENCE = re.compile(
    rb"\$(?:(?P<dollar>\$)|\{(?P<curly>[^}]+)\}|\((?P<round>[^)]+)\)|(?P<bare>\w+)|(?P<open>[{(](?![)}]))|(?P<empty>[{(]?))"
)
_DIGITS = 9  # more than any pattern has groups
_CLOSE = {"curly", "round", "bare"}


class BadReplacement(ValueError):
    """The result text cannot be used, for a reason that was told."""


class Template:
    """A result text. `greatest`: the number of the last group that it refers to, 0 where it refers to none."""

    def __init__(self, text: bytes, warn: Warn, where: str, no_group: str) -> None:
        """`warn` is told what is wrong with a reference. `where`: the table and line; `no_group`: what is wrong with `$0`.
        Raises BadReplacement."""
        self._parts: list[bytes | int] = []
        self.greatest = 0
        last = 0
        for reference in _REFERENCE.finditer(text):
            self._parts.append(text[last : reference.start()])
            last = reference.end()
            kind = reference.lastgroup
            if kind == "dollar":
                self._parts.append(b"$")
            elif kind in _CLOSE:
                self._refer(reference[kind], lambda said: warn(f"{where}: {said}"), no_group)
            else:
                warn(f'{"truncated macro reference" if kind == "open" else "empty macro name"}: "{shown(text)}"')
                raise BadReplacement
        self._parts.append(text[last:])

    def _refer(self, name: bytes, warn: Warn, no_group: str) -> None:
        if not name.isdigit():
            warn(f'non-numeric replacement index "{shown(name)}"')
            raise BadReplacement
        number = int(name.lstrip(b"0")[:_DIGITS] or b"0")
        if number < 1:
            warn(f'{no_group} replacement index "{shown(name)}"')
            raise BadReplacement
        self._parts.append(number)
        self.greatest = max(self.greatest, number)

    def result(self) -> Result:
        """The function from a match to the result."""
        if not self.greatest:
            return constant(shown(b"".join(part for part in self._parts if isinstance(part, bytes))))
        parts = tuple(self._parts)

        def result(found: Groups) -> str:
            return shown(b"".join(part if isinstance(part, bytes) else found[part] for part in parts))

        return result


def shown(octets: bytes) -> str:
    """Octets as text: UTF-8, others as surrogate escapes."""
    return octets.decode("utf-8", "surrogateescape")
