"""The query of a table in a database, read once: text of SQL, and the values between (mysql_table(5), pgsql_table(5)).

A literal in quotes with a `%` letter in it, as in `'%u@%d'`, is a value as a whole: it reaches the database apart from the text, or
quoted by the driver, so that no key can end it. A `%` letter anywhere else is refused, for there is no way to quote it.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from gatepost.lookup.key_format import Address, BadFormat, KeyFormat


class Dialect(Struct, frozen=True):
    """How one database writes literals.

    `piece`: matches a literal (group 1: the letters before its quote; group 2: what is in it, with its quotes), or a text of which
    no `%` letter can be a part: a name in quotes, a comment;
    `backslash`: whether a backslash in a literal escapes what comes next;
    `plain`: the letters that may stand before the quote of a literal which is text.
    """

    piece: re.Pattern[str]
    backslash: bool
    plain: frozenset[str]


_BEFORE = r"((?<![\w$])[A-Za-z_&]\w*&?)?"
_COMMENT = r"--[^\n]*|/\*.*?\*/"

DIALECTS: Mapping[str, Dialect] = {
    # A text in "..." is a string in MySQL, and in SQLite one where there is no such column.
    "mysql": Dialect(
        re.compile(rf"""{_BEFORE}('(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*")|`[^`]*`|{_COMMENT}|\#[^\n]*""", re.DOTALL),
        True,
        frozenset(("", "n")),
    ),
    "pgsql": Dialect(
        re.compile(rf"""{_BEFORE}('(?:[^']|'')*')|"[^"]*"|{_COMMENT}|(\$(?:[A-Za-z_]\w*)?\$).*?\3""", re.DOTALL),
        False,
        frozenset(("", "n")),
    ),
    "sqlite": Dialect(
        re.compile(rf"""{_BEFORE}('(?:[^']|'')*'|"(?:[^"]|"")*")|`[^`]*`|\[[^\]]*\]|{_COMMENT}""", re.DOTALL),
        False,
        frozenset(("",)),
    ),
}


class Statement(Struct, frozen=True):
    """`texts`: SQL, one more than there are `values`, each of which stands behind the text of its number."""

    texts: tuple[str, ...]
    values: tuple[KeyFormat, ...]

    def sql(self, mark: Callable[[int], str], text: Callable[[str], str] = str) -> str:
        """The SQL with `mark(n)` in the place of value n, from 1 on; `text`: what else the driver needs done to SQL."""
        parts = [text(self.texts[0])]
        for number, after in enumerate(self.texts[1:], 1):
            parts += mark(number), text(after)
        return "".join(parts)

    def expand(self, key: Address) -> tuple[str, ...] | None:
        """The values for a key; None where it has not what is asked of it, and the query is not made."""
        found = tuple(value.expand(key, key) for value in self.values)
        return None if None in found else tuple(text for text in found if text is not None)


def parse(text: str, dialect: Dialect) -> Statement:
    """Raises BadFormat."""
    texts, values = [""], list[KeyFormat]()
    for piece, before in _pieces(text, dialect.piece):
        if before is None:
            texts[-1] += _without_letters(piece)
            continue
        value = KeyFormat(_content(piece, dialect.backslash))
        if not value.letters:
            texts[-1] += before + _without_letters(piece)
            continue
        if before.lower() not in dialect.plain:
            raise BadFormat(f"{before}{piece}: a literal of this kind cannot hold a % letter; write {piece}")
        texts.append("")
        values.append(value)
    return Statement(tuple(texts), tuple(values))


def _pieces(text: str, piece: re.Pattern[str]) -> Iterable[tuple[str, str | None]]:
    """(literal, the letters before it), or (SQL that is no literal, None), in order."""
    at = 0
    for match in piece.finditer(text):
        yield text[at : match.start()], None
        yield (match[0], None) if match[2] is None else (match[2], match[1] or "")
        at = match.end()
    yield text[at:], None


def _without_letters(text: str) -> str:
    """SQL that is no value, `%%` in it replaced. Raises BadFormat where it has a letter."""
    form = KeyFormat(text)
    if form.letters:
        letter = min(form.letters)
        raise BadFormat(f"%{letter} outside of quotes cannot be made harmless: write '%{letter}'")
    return form.expand(_NOBODY, _NOBODY) or ""


_NOBODY = Address("", None, None)
_ESCAPES: Mapping[str, str] = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "%": "\\%", "_": "\\_"}


def _content(literal: str, backslash: bool) -> str:
    """The text that a literal means."""
    quote = literal[0]
    if not backslash:
        return literal[1:-1].replace(quote * 2, quote)
    pairs = re.compile(rf"{quote}{quote}|\\(.)", re.DOTALL)
    return pairs.sub(lambda match: quote if match[1] is None else _ESCAPES.get(match[1], match[1]), literal[1:-1])
