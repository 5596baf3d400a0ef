"""The `%` letters of queries and results, as all of Postfix's tables that ask servers have them (ldap_table(5), mysql_table(5)).

In a query, `%s` is the key, `%u` and `%d` its local part and domain; in a result_format they are those of the result, and `%S`,
`%U`, `%D` those of the key. `%1` to `%9` are the labels of the key's domain, from the last one on; `%%` is a percent sign.
A text that asks for a part that is not there has no expansion: the query is not made, the result is left out.
"""

import re
from collections.abc import Callable

from msgspec import Struct

Quote = Callable[[str], str]
"""Makes a part of a key or a result harmless in the language at hand."""


class BadFormat(ValueError):
    """A `%` and no known letter after it."""


class Address(Struct, frozen=True):
    """A key or a result, divided at its last `@`. `local`, `domain`: None where it has none, or an empty one."""

    whole: str
    local: str | None
    domain: str | None


def divided(text: str) -> Address:
    """A text without `@` is a local part alone."""
    local, at, domain = text.rpartition("@")
    if not at:
        return Address(text, text or None, None)
    return Address(text, local or None, domain or None)


class KeyFormat:
    """A format, read once. `text`: as it is written; `letters`: those that it uses."""

    def __init__(self, text: str) -> None:
        """Raises BadFormat."""
        self.text = text
        self._parts = _parts(text)
        self.letters = frozenset(part for is_letter, part in self._parts if is_letter)

    def has_key_parts(self, key: Address) -> bool:
        """Of a result_format: whether `key` has what is asked of it, so that there can be a result at all."""
        return all(_meaning(letter, key, key) is not None for letter in self.letters if not letter.islower())

    def expand(self, value: Address, key: Address, quote: Quote = str) -> str | None:
        """The text with its letters replaced; None where a part is missing. For a query, `value` is the key itself."""
        found: list[str] = []
        for is_letter, part in self._parts:
            if not is_letter:
                found.append(part)
                continue
            text = _meaning(part, value, key)
            if text is None:
                return None
            found.append(quote(text))
        return "".join(found)


_LETTERS = "sudSUD123456789"
_PIECE = re.compile(rf"%(?:([{_LETTERS}])|(%)|(.?))|[^%]+", re.DOTALL)


def _parts(text: str) -> tuple[tuple[bool, str], ...]:
    """(whether it is a letter, the letter or the text) in order."""
    parts: list[tuple[bool, str]] = []
    for piece in _PIECE.finditer(text):
        letter, percent, unknown = piece.groups()
        if unknown is not None:
            raise BadFormat(f'"%{unknown}" in "{text}": % is followed by one of {_LETTERS}, or %')
        parts.append((letter is not None, letter or percent or piece[0]))
    return tuple(parts)


def _meaning(letter: str, value: Address, key: Address) -> str | None:
    if letter.isdigit():
        labels = [label for label in (key.domain or "").split(".") if label]
        return labels[-int(letter)] if int(letter) <= len(labels) else None
    address = key if letter.isupper() else value
    match letter.lower():
        case "s":
            return address.whole or None
        case "u":
            return address.local
        case _:
            return address.domain
