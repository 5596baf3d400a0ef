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

    `piece`: matches a literal (`before`: the letters before its quote, which change what it means; `literal`: what is in it, with
    its quotes), or a text of which no `%` letter can be a part: a name in quotes, a comment;
    `backslash`: whether a backslash in a literal escapes what comes next, unless the server is told otherwise.
    """

    piece: re.Pattern[str]
    backslash: bool


_COMMENT = r"--[^\n]*|/\*.*?\*/"
_BEFORE = r"(?:(?<![\w$])(?P<before>{}))?"

DIALECTS: Mapping[str, Dialect] = {
    # A text in "..." is a string in MySQL, and in SQLite one where there is no such column. What stands in /*! */ is run; -- begins
    # a comment only before a blank.
    "mysql": Dialect(
        re.compile(
            _BEFORE.format(r"[NXB]|_\w+\s*")
            + r"""(?P<literal>'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*")|`[^`]*`|--(?!\S)[^\n]*|/\*(?!M?!).*?\*/|\#[^\n]*""",
            re.DOTALL | re.IGNORECASE,
        ),
        True,
    ),
    "pgsql": Dialect(
        re.compile(
            _BEFORE.format(r"(?P<escaping>E)|[NXB]|U&") + rf"""(?P<literal>'(?:[^'\\]|''|(?(escaping)\\.|\\))*')|"[^"]*"|"""
            rf"{_COMMENT}|(?P<dollar>\$(?:[A-Z_]\w*)?\$).*?(?P=dollar)",
            re.DOTALL | re.IGNORECASE,
        ),
        False,
    ),
    "sqlite": Dialect(
        re.compile(
            _BEFORE.format("X") + rf"""(?P<literal>'(?:[^']|'')*'|"(?:[^"]|"")*")|`[^`]*`|\[[^\]]*\]|{_COMMENT}""",
            re.DOTALL | re.IGNORECASE,
        ),
        False,
    ),
}
_PLAIN = frozenset(("", "n"))
"""The letters that may stand before the quote of a literal which is text."""
_OPEN = re.compile(r"""['"`]|/\*(?!M?!)""")
"""What begins something that has an end."""


_TOUCHING = re.compile(r"""[\w$'"]""")


class Statement(Struct, frozen=True):
    """`texts`: SQL, one more than there are `values`, each of which stands behind the text of its number."""

    texts: tuple[str, ...]
    values: tuple[KeyFormat, ...]

    def sql(self, mark: Callable[[int], str], text: Callable[[str], str] = str) -> str:
        """The SQL with `mark(n)` in the place of value n, from 1 on; `text`: what else the driver needs done to SQL."""
        sql = text(self.texts[0])
        for number, after in enumerate(self.texts[1:], 1):
            # Two literals side by side would be one, with a quote in it; LIKE$1 is a name.
            sql += (" " if _TOUCHING.match(sql[-1:]) else "") + mark(number)
            sql += (" " if not after or _TOUCHING.match(after) else "") + text(after)
        return sql.rstrip()

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
        # What a backslash means is for the server to say (NO_BACKSLASH_ESCAPES): the driver, which knows, writes such a literal.
        writes = dialect.backslash and "\\" in piece
        if not value.letters and not writes:
            texts[-1] += before + _without_letters(piece)
            continue
        if before.strip().lower() not in _PLAIN:
            raise BadFormat(
                f"{before}{piece}: a literal of this kind cannot hold a % letter{' or a backslash' * writes}; write {piece}"
            )
        texts.append("")
        values.append(value)
    return Statement(tuple(texts), tuple(values))


def _pieces(text: str, piece: re.Pattern[str]) -> Iterable[tuple[str, str | None]]:
    """(literal, the letters before it), or (SQL that is no literal, None), in order. Raises BadFormat."""
    at = 0
    for match in piece.finditer(text):
        yield _closed(text[at : match.start()]), None
        literal = match["literal"]
        yield (match[0], None) if literal is None else (literal, match["before"] or "")
        at = match.end()
    yield _closed(text[at:]), None


def _closed(text: str) -> str:
    """SQL between literals, names and comments. Raises BadFormat where one begins in it, of which values would be a part."""
    if (begun := _OPEN.search(text)) is not None:
        _without_letters(text)
        raise BadFormat(f"{begun[0]} without its end")
    return text


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
