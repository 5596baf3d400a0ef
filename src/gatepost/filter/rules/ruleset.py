"""What rule files say, as one frozen value: rules by name, settings by name, and what is wrong with them."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from msgspec import Struct, field, msgpack


class Kind(StrEnum):
    """What a rule looks at: the words of rule files. `eval:` rules have the kind of their line and a `call`."""

    HEADER = "header"
    BODY = "body"
    RAWBODY = "rawbody"
    URI = "uri"
    FULL = "full"
    MIMEHEADER = "mimeheader"
    URI_DETAIL = "uri_detail"
    META = "meta"
    ASKDNS = "askdns"


class Fault(Struct, frozen=True, array_like=True):
    """What is wrong with a line, or why a rule cannot be run. `where`: `file:line`, the file alone where it is unreadable.
    `rule`: the rule's name, empty for others."""

    where: str
    text: str
    rule: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


class Pattern(Struct, frozen=True, array_like=True):
    """A pattern of Perl over octets, translated.

    octets, options: for `lookup.pcre2.Expression`.
    prefilter: a pattern for Hyperscan with the same options that finds at least what `octets` finds; empty where there is none.
    captures: named groups whose text becomes a tag of this name; `numbers`: those of the groups.
    tags: `%{NAME}` in the pattern: it is run only where all are known, filled in by `templates.filled`.
    text: as it stands in the file.
    """

    octets: bytes
    options: int
    prefilter: bytes
    captures: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    text: str = ""
    numbers: tuple[int, ...] = ()


class Call(Struct, frozen=True, array_like=True):
    """The function of an `eval:` rule by its present name, and its arguments without quotes, an octet a character (Latin-1)."""

    function: str
    arguments: tuple[str, ...] = ()


class Condition(Struct, frozen=True, array_like=True):
    """One of the conditions of a `uri_detail` rule. `key`: raw, type, cleaned, text, domain, host."""

    key: str
    pattern: Pattern
    negated: bool = False


class Lookup(Struct, frozen=True, array_like=True):
    """A question to DNS of an `askdns`, `urirhsbl`, `urirhssub`, `uridnsbl` ... line.

    how: the word of the line.
    zone: where to ask; for askdns a template (`_SENDERDOMAIN_._vouch.dwl.spamhaus.org`).
    record: A, TXT, MX ...; several of askdns are joined by commas.
    answer: what counts as listed (`127.0.0.2`, a mask, a range, a pattern, codes in brackets); empty for any.
    """

    how: str
    zone: str
    record: str = "A"
    answer: str = ""


Node = str | float | int | tuple["Node", ...]
"""An expression of a meta rule: a rule's name, a number, or an operator and its operands. Its operators: `expressions.py`."""


class Rule(Struct, frozen=True, array_like=True):
    """A rule, all lines about it taken together. Of pattern, call, conditions, expression and `exists` it has one.

    source: `file:line` of the line that defines it.
    header: for header and mimeheader rules, `Subject`, `From:addr`, `ALL:raw` ... as it stands.
    exists: whether it asks only for a header's existence.
    negated: `!~`.
    unset: what is taken for a header that is not there.
    expression: of a meta, encoded (`expressions.py` decodes it); so 900 of them cost nothing until they are needed.
    lookup: of askdns rules. Those of `check_uridnsbl` stand in `Ruleset.lookups`.
    flags: of `tflags`, as they stand.
    scores: for the four score sets (local, net, Bayes, net and Bayes).
    hindrance: why it cannot be run, empty where it can.
    """

    name: str
    kind: Kind
    source: str
    header: str = ""
    exists: bool = False
    negated: bool = False
    unset: bytes | None = None
    pattern: Pattern | None = None
    call: Call | None = None
    conditions: tuple[Condition, ...] = ()
    expression: bytes = b""
    lookup: Lookup | None = None
    flags: tuple[str, ...] = ()
    priority: int = 0
    description: str = ""
    scores: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    hindrance: str = ""

    @property
    def subrule(self) -> bool:
        """Whether it counts only within metas (`__NAME`)."""
        return self.name.startswith("__")

    @property
    def asks(self) -> bool:
        """Whether it is run only where the network may be asked."""
        return self.kind is Kind.ASKDNS or (self.call is not None and "net" in self.flags)

    @property
    def multiple(self) -> bool:
        return "multiple" in self.flags

    @property
    def most(self) -> int:
        """How many hits are counted: 1 without `multiple`, 0 for no limit."""
        hits = self.flag("maxhits")
        return (int(hits) if hits.isdecimal() else 0) if self.multiple else 1

    def flag(self, name: str) -> str:
        """The value of a flag with one (`maxhits=5`), empty without; the flag's own name where it has no value."""
        for flag in self.flags:
            key, equals, value = flag.partition("=")
            if key == name:
                return value if equals else name
        return ""


LOCAL: Final = 0
NET: Final = 1
BAYES: Final = 2


def score_set(*, net: bool, bayes: bool) -> int:
    """Which of the four scores counts (Conf(3pm), `score`)."""
    return (NET if net else 0) | (BAYES if bayes else 0)


class Sample(Struct, frozen=True, array_like=True):
    """A `test RULE ok|fail TEXT` line of a rule file."""

    rule: str
    hits: bool
    text: bytes
    source: str


class Ruleset(Struct, frozen=True, array_like=True):
    """All that rule files say.

    rules: by name, in the order in which they were defined first.
    options: the values of each setting by its present name, an item an occurrence; what a `clear_` line has cleared is gone.
    lookups: of urirhsbl, urirhssub, uridnsbl, uridnssub, urinsrhsbl ... by the name of their rule.
    plugins: short names of those that are loaded (`BodyEval`).
    faults: lines that were left out, and why; what is left out of nothing but a warning in SpamAssassin is here too.
    tests: of `test` lines.
    versions: `# UPDATE version` of the files, for `_RULESVERSION_`.
    """

    rules: dict[str, Rule] = field(default_factory=dict)
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lookups: dict[str, Lookup] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    tests: tuple[Sample, ...] = ()
    versions: tuple[str, ...] = ()

    def option(self, name: str) -> tuple[str, ...]:
        """The values of a setting, one an occurrence; empty where no file has it."""
        return self.options.get(name, ())

    def last(self, name: str, default: str = "") -> str:
        """The value that counts of a setting that has one."""
        values = self.options.get(name)
        return values[-1] if values else default

    def active(self, scores: int) -> Iterator[Rule]:
        """The rules that are run with this score set: those with a score and those within metas, where nothing hinders them, and
        those that ask the network only where the score set is one of the network."""
        for rule in self.rules.values():
            if rule.hindrance or (rule.asks and not scores & NET):
                continue
            if rule.subrule or rule.scores[scores]:
                yield rule


def encoded(ruleset: Ruleset) -> bytes:
    """For a cache. The form changes with this file: keep a version beside it."""
    return msgpack.encode(ruleset)


def decoded(octets: bytes) -> Ruleset:
    """Raises msgspec.DecodeError (ValidationError among it) for anything else than what `encoded` made."""
    return _DECODER.decode(octets)


_DECODER: Final = msgpack.Decoder(Ruleset)
