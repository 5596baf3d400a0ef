"""The rule syntax that regexp and pcre tables share: `/pattern/flags result`, `!/pattern/`, `if` … `endif`
(regexp_table(5), pcre_table(5)). What a pattern means is the dialect's."""

import re
from collections.abc import Callable

from msgspec import Struct

from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Table, Unavailable
from gatepost.lookup.rules import Program
from gatepost.lookup.substitution import BadReplacement, compile_result
from gatepost.lookup.table_text import logical_lines, read_rules


class Unsupported(ValueError):
    """The pattern is right in its dialect, but we cannot translate it. Skipping it might let through what it was to stop."""


class Dialect(Struct, frozen=True):
    """`flags`: the letters that it knows. `compile`: (pattern, toggled flags) to a compiled expression; raises ValueError or
    re.error with what is wrong with the pattern, or Unsupported. `unclosed`: what becomes of a rule whose pattern does not end.
    `obsolete`: those of the letters that mean nothing any more."""

    name: str
    flags: str
    compile: Callable[[str, frozenset[str]], re.Pattern[str]]
    unclosed: str = "skipping this rule"
    obsolete: str = ""


def _to_octets(text: str) -> str:
    """`text` with one character for each octet of its UTF-8 form: Postfix's patterns see octets."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _from_octets(text: str | None) -> str | None:
    return text if text is None or text.isascii() else text.encode("latin-1").decode("utf-8", "surrogateescape")


class PatternTable:
    """The result of the first rule that holds for the whole key."""

    __slots__ = ("_program", "name", "whole_key")

    def __init__(self, name: str, program: Program) -> None:
        self.name = name
        self.whole_key = True
        self._program = program

    async def lookup(self, key: str) -> str | None:
        if key.isascii():
            return _from_octets(self._program.run(key))
        return _from_octets(self._program.run(_to_octets(key)))

    def close(self) -> None:
        pass


class _Skip(Exception):
    """The rule is left out; the message says why."""


class _Pattern(Struct, frozen=True):
    expression: re.Pattern[str]
    negated: bool
    rest: str


class _Reader:
    """Compiles the lines of one table."""

    def __init__(self, opening: Opening, dialect: Dialect) -> None:
        self.program = Program()
        self._dialect = dialect
        self._opening = opening
        self._where = ""

    def read(self, number: int, text: str) -> None:
        """Compile one logical line. Raises Unavailable for a pattern that we cannot translate."""
        self._where = f"{self._dialect.name} map {self._opening.name}, line {number}"
        try:
            self._read(number, text)
        except Unsupported as error:
            raise Unavailable(self._opening.spec, f"{self._opening.name}, line {number}: {error}") from None
        except _Skip as skip:
            self._warn(str(skip))

    def finish(self) -> None:
        for number in self.program.finish():
            self._opening.warn(f"{self._dialect.name} map {self._opening.name}, line {number}: IF has no matching ENDIF")

    def _warn(self, text: str) -> None:
        self._opening.warn(f"{self._where}: {text}")

    def _read(self, number: int, text: str) -> None:
        if _keyword(text, "endif"):
            self._end(text[5:].strip())
        elif _keyword(text, "if"):
            pattern = self._pattern(text[2:].lstrip())
            if pattern.rest:
                self._warn(f'ignoring extra text after IF statement: "{pattern.rest}"')
                self._warn("do not prepend whitespace to statements between IF and ENDIF")
            self.program.open_if(number, pattern.expression.search, pattern.negated)
        elif text[0].isalnum():
            raise _Skip("ignoring unrecognized request")
        else:
            self._rule(self._pattern(text))

    def _end(self, rest: str) -> None:
        if rest:
            self._warn("ignoring extra text after ENDIF")
        if not self.program.close_if():
            raise _Skip("ignoring ENDIF without matching IF")

    def _rule(self, pattern: _Pattern) -> None:
        if not pattern.rest:
            self._warn("no replacement text: using empty string")
        groups = 0 if pattern.negated else pattern.expression.groups
        try:
            result = compile_result(pattern.rest, groups, self._opening.warn, self._where)
        except BadReplacement as error:
            why = "$number found in negative match replacement text" if pattern.negated and "range" in str(error) else error
            raise _Skip(f"{why}: skipping this rule") from None
        self.program.add(pattern.expression.search, pattern.negated, result)

    def _pattern(self, text: str) -> _Pattern:
        negated = False
        while text[:1] == "!":
            negated = not negated
            text = text[1:].lstrip()
        if not text:
            raise _Skip("no regexp: skipping this rule")
        delimiter = text[0]
        end = _closing(text, delimiter)
        if end < 0:
            raise _Skip(f'no closing regexp delimiter "{delimiter}": {self._dialect.unclosed}')
        flags, _, rest = (text[end + 1 :] + " ").replace("\t", " ", 1).partition(" ")
        return _Pattern(self._compile(text[1:end], flags), negated, rest.strip())

    def _compile(self, pattern: str, flags: str) -> re.Pattern[str]:
        toggled: set[str] = set()
        for flag in flags:
            if flag not in self._dialect.flags:
                raise _Skip(f'unknown regexp option "{flag}": skipping this rule')
            if flag in self._dialect.obsolete:
                self._warn(f'ignoring obsolete regexp option "{flag}"')
            toggled ^= {flag}
        try:
            return self._dialect.compile(pattern, frozenset(toggled))
        except Unsupported:
            raise
        except (ValueError, re.error, OverflowError, RecursionError) as error:
            raise _Skip(str(error)) from None


def _keyword(text: str, word: str) -> bool:
    return text[: len(word)].lower() == word and not text[len(word) : len(word) + 1].isalnum()


def _closing(text: str, delimiter: str) -> int:
    """Index of the delimiter that ends the pattern, -1 where none does; a backslash protects the character after it."""
    index, end = 1, len(text)
    while index < end:
        if text[index] == "\\":
            index += 1
        elif text[index] == delimiter:
            return index
        index += 1
    return -1


def open_patterns(opening: Opening, dialect: Dialect) -> Table:
    """A table of patterns in `dialect`. Raises Unavailable where its file cannot be read or a pattern cannot be translated; any
    other line with a mistake is reported and skipped, as Postfix does."""
    reader = _Reader(opening, dialect)
    for number, text in logical_lines(read_rules(opening)):
        reader.read(number, _to_octets(text.strip()))
    reader.finish()
    return PatternTable(opening.spec, reader.program)
