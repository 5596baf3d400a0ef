"""Tables of patterns, regexp and pcre: `/pattern/flags result`, `!/pattern/`, `if` … `endif` (regexp_table(5), pcre_table(5)).
What a pattern means is the dialect's. Patterns, keys and results are octets."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from gatepost.lookup.matching import Expression, Unanswered
from gatepost.lookup.opening import Opening
from gatepost.lookup.pattern_net import FEWEST, MOST, Net
from gatepost.lookup.pattern_table import Pattern, PatternTable
from gatepost.lookup.port import Table
from gatepost.lookup.rules import Program, Result
from gatepost.lookup.sparing import Sparing
from gatepost.lookup.substitution import BadReplacement, Template, shown
from gatepost.lookup.table_text import logical_lines, read_rules

_BLANKS: Final = b" \t\r\n\v\f"


class Dialect(Struct, frozen=True):
    """`flags`: the letters that it knows, and the options that each toggles (0: one that means nothing any more). `compile`:
    (pattern, options, whether a match has to tell its groups) to an expression; raises ValueError with what is wrong with the
    pattern. `options`: those of a pattern without flags. `unclosed`: what becomes of a rule whose pattern does not end.
    `second_pattern`: `/one/!/other/` is known. `no_group`: what is wrong with `$0`. `fits`: whether a pattern can be one of an
    alternation that is put between `brackets` (pattern_net.py)."""

    name: str
    flags: Mapping[str, int]
    compile: Callable[[bytes, int, bool], Expression]
    options: int
    brackets: tuple[bytes, bytes]
    fits: Callable[[bytes, Expression], bool]
    unclosed: str = "skipping this rule"
    second_pattern: bool = False
    no_group: str = "out of range"


class _Skip(Exception):
    """The rule is left out; the message says why."""


class _Written(Struct, frozen=True):
    """A pattern as it is written."""

    text: bytes
    options: int
    negated: bool


class _Rule(Struct, frozen=True):
    """A rule with a result."""

    written: _Written
    pattern: Pattern
    result: Result

    def add_to(self, program: Program) -> None:
        program.add(self.pattern.expression.search, self.written.negated, self.result, self.pattern)


class _Reader:
    """Compiles the lines of one table. `_run`: rules that follow each other and are not in the program yet."""

    def __init__(self, opening: Opening, dialect: Dialect) -> None:
        self.program = Program(self._tell)
        self._dialect = dialect
        self._opening = opening
        self._number = 0
        self._run: list[_Rule] = []
        self.sparing = Sparing(opening.warn, opening.clock)

    def read(self, number: int, text: bytes) -> None:
        """Compile one logical line."""
        self._number = number
        try:
            self._read(text)
        except (_Skip, ValueError) as reason:
            self._warn(str(reason))

    def finish(self) -> None:
        self._end_of_run()
        for number in self.program.finish():
            self._opening.warn(f"{self._line(number)}: IF has no matching ENDIF")

    def _line(self, number: int) -> str:
        return f"{self._dialect.name} map {self._opening.name}, line {number}"

    def _warn(self, text: str) -> None:
        self._opening.warn(f"{self._line(self._number)}: {text}")

    def _tell(self, pattern: Pattern, reason: Unanswered) -> None:
        """A pattern could not tell."""
        self.sparing.warn(pattern.line, f"{self._line(pattern.line)}: {reason}")

    def _read(self, text: bytes) -> None:
        if _keyword(text, b"endif"):
            self._end(text[5:].strip())
        elif _keyword(text, b"if"):
            written, rest = self._pattern(text[2:].lstrip())
            if rest := rest.strip():
                self._warn(f'ignoring extra text after IF statement: "{shown(rest)}"')
                self._warn("do not prepend whitespace to statements between IF and ENDIF")
            self._open_if(written)
        elif text[:1].isalnum():
            raise _Skip("ignoring unrecognized request")
        else:
            self._rule(text)

    def _end(self, rest: bytes) -> None:
        self._end_of_run()
        if not self.program.close_if():
            raise _Skip("ignoring ENDIF without matching IF")
        if rest:
            self._warn("ignoring extra text after ENDIF")

    def _open_if(self, written: _Written) -> None:
        pattern = self._compile(written, captures=False)
        self._end_of_run()
        self.program.open_if(self._number, pattern.expression.search, written.negated, pattern)

    def _rule(self, text: bytes) -> None:
        written, rest = self._pattern(text)
        second = None
        if rest[:1] == b"!" and self._dialect.second_pattern:
            second, rest = self._pattern(rest)
        if not (rest := rest.strip()):
            self._warn("no replacement text: using empty string")
        template = self._template(rest, written)
        pattern = self._compile(written, captures=template.greatest > 0)
        if template.greatest > pattern.expression.groups:
            raise _Skip(f'out of range replacement index "{template.greatest}": skipping this rule')
        rule = _Rule(written, pattern, template.result())
        if second is None:
            self._run.append(rule)
            return
        # `/one/!/other/` is a rule inside an `if`.
        self._open_if(second)
        rule.add_to(self.program)
        self.program.close_if()

    def _end_of_run(self) -> None:
        """Put the rules of a run into the program, behind nets where there are enough of them."""
        run, self._run = self._run, []
        for first in range(0, len(run), MOST):
            rules = run[first : first + MOST]
            others = [rule for rule in rules if not self._fits(rule)]
            net = self._net([rule for rule in rules if self._fits(rule)]) if len(rules) - len(others) >= FEWEST else None
            if net is not None:
                self.program.open_if(0, net.search, False, Pattern(net, 0))
                for rule in rules:
                    rule.add_to(self.program)
                self.program.close_if()
            for rule in rules if net is None else others:
                rule.add_to(self.program)

    def _fits(self, rule: _Rule) -> bool:
        written = rule.written
        plain = not written.negated and written.options == self._dialect.options
        return plain and self._dialect.fits(written.text, rule.pattern.expression)

    def _net(self, rules: Sequence[_Rule]) -> Net | None:
        """None where the alternation is too large."""
        before, after = self._dialect.brackets
        text = b"|".join(before + rule.written.text + after for rule in rules)
        try:
            return Net(self._dialect.compile(text, self._dialect.options, False))
        except ValueError:
            return None

    def _template(self, text: bytes, written: _Written) -> Template:
        try:
            template = Template(text, self._opening.warn, self._line(self._number), self._dialect.no_group)
        except BadReplacement:
            raise _Skip("bad replacement syntax: skipping this rule") from None
        if template.greatest and written.negated:
            raise _Skip("$number found in negative match replacement text: skipping this rule")
        if template.greatest and not self._opening.substitution:
            raise _Skip("regular expression substitution is not allowed: skipping this rule")
        return template

    def _pattern(self, text: bytes) -> tuple[_Written, bytes]:
        """(the pattern that `text` begins with, what follows it)."""
        negated = False
        while text[:1] == b"!":
            negated = not negated
            text = text[1:].lstrip()
        if not text:
            raise _Skip("no regexp: skipping this rule")
        delimiter = text[:1]
        end = _closing(text, delimiter)
        if end < 0:
            raise _Skip(f'no closing regexp delimiter "{shown(delimiter)}": {self._dialect.unclosed}')
        options, after = self._flags(text, end + 1)
        return _Written(text[1:end], options, negated), text[after:]

    def _flags(self, text: bytes, index: int) -> tuple[int, int]:
        """(options after the flags at `index`, index after them)."""
        options = self._dialect.options
        stops = _BLANKS + b"!" if self._dialect.second_pattern else _BLANKS
        while (flag := text[index : index + 1]) and flag not in stops:
            toggled = self._dialect.flags.get(shown(flag))
            if toggled is None:
                raise _Skip(f'unknown regexp option "{shown(flag)}": skipping this rule')
            if not toggled:
                self._warn(f'ignoring obsolete regexp option "{shown(flag)}"')
            options ^= toggled
            index += 1
        return options, index

    def _compile(self, written: _Written, *, captures: bool) -> Pattern:
        return Pattern(self._dialect.compile(written.text, written.options, captures), self._number)


def _keyword(text: bytes, word: bytes) -> bool:
    return text[: len(word)].lower() == word and not text[len(word) : len(word) + 1].isalnum()


def _closing(text: bytes, delimiter: bytes) -> int:
    """Index of the delimiter that ends the pattern, -1 where none does; a backslash protects the octet after it."""
    index, end = 1, len(text)
    while index < end:
        octet = text[index : index + 1]
        if octet == b"\\":
            index += 1
        elif octet == delimiter:
            return index
        index += 1
    return -1


def open_patterns(opening: Opening, dialect: Dialect) -> Table:
    """A table of patterns in `dialect`. Raises Unavailable where its file cannot be read; a line with a mistake is reported and
    skipped, as Postfix does."""
    reader = _Reader(opening, dialect)
    for number, text in logical_lines(read_rules(opening), opening.name, opening.warn):
        reader.read(number, text.encode("utf-8", "surrogateescape").strip())
    reader.finish()
    return PatternTable(opening.spec, reader.program, reader.sparing)
