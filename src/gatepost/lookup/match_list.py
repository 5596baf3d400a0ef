"""Lists that match: mydestination, relay_domains, mynetworks and all other parameters that are lists rather than tables.

A list names, in any mix: patterns; `/file` whose lines are more of the list; `type:table` where any answer is a match; and
`!` before any of these for "no match". The first member that matches decides (postconf(5), mynetworks and mydestination).
Each member counts for itself: one with a mistake concerns only those whom Postfix would hold against it (an IPv6 network no
IPv4 client), and only they get no answer, after a warning. A list is compiled once; what asks no table answers from a set.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct

from gatepost.lookup import braces
from gatepost.lookup.cidr import Network, parse_address, parse_network
from gatepost.lookup.memory import fold
from gatepost.lookup.opening import Parts, Warn
from gatepost.lookup.port import LookupFailure, Table, Unavailable
from gatepost.lookup.table_text import logical_lines, read_file

_REMEMBERED = 4096
# A list that includes itself through files would never end.
_DEEPEST = 20
_ADDRESS = "0123456789.abcdefABCDEF:"


class BadPattern(LookupFailure):
    """A pattern that cannot be read: whoever is held against it gets no answer."""


class Question(Protocol):
    """What one member of a list asks of a name, or of an address. Names come folded."""

    async def matches(self, name: str) -> bool: ...


class _Literal:
    """Equal, without regard to case."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    async def matches(self, name: str) -> bool:
        return name == self.pattern


class _Suffix:
    """Ends in the pattern, which starts with a dot."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    async def matches(self, name: str) -> bool:
        return name.endswith(self.pattern)


class _DomainOrBelow:
    """The domain, or any below it (parent_domain_matches_subdomains)."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._below = "." + pattern

    async def matches(self, name: str) -> bool:
        return name == self.pattern or name.endswith(self._below)


class _InTable:
    """The table has an answer for the name, or for one of the `keys` made of it."""

    def __init__(self, table: Table, keys: Callable[[str], Iterator[str]]) -> None:
        self._table = table
        self._keys = keys

    async def matches(self, name: str) -> bool:
        if self._table.whole_key:
            return await self._table.lookup(name) is not None
        for key in self._keys(name):
            if await self._table.lookup(key) is not None:
                return True
        return False


class _InNetwork:
    """An address inside the network."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def matches(self, name: str) -> bool:
        address = parse_address(name)
        return address is not None and self._network.test(address) is not None


class _BadNetwork:
    """A network with a mistake: addresses of its family cannot be judged, others are not in it anyway."""

    def __init__(self, pattern: str, why: str) -> None:
        self._pattern = pattern
        self._why = why

    async def matches(self, name: str) -> bool:
        if (":" in name) == (":" in self._pattern) and not name.strip(_ADDRESS):
            raise BadPattern(self._pattern, self._why)
        return False


class _NoPattern:
    """A `!` and nothing after it: what it was to keep out cannot be known."""

    async def matches(self, name: str) -> bool:
        raise BadPattern("!", "no pattern after '!'")


def whole_name(name: str) -> Iterator[str]:
    """The name alone."""
    yield name


def name_and_parents(name: str) -> Iterator[str]:
    """The domain, and its parents as `parent`."""
    while name:
        yield name
        name = name.partition(".")[2]


def name_and_dotted_parents(name: str) -> Iterator[str]:
    """The domain, and its parents as `.parent`."""
    yield name
    dot = name.find(".", 1)
    while dot >= 0:
        yield name[dot:]
        dot = name.find(".", dot + 1)


def _domain(pattern: str) -> Question:
    return _Suffix(pattern) if pattern.startswith(".") else _Literal(pattern)


def _address(pattern: str) -> Question:
    """Text that is no network is compared as text: it may be the host name of a list of both."""
    if not is_network(pattern):
        return _Literal(pattern[1:-1] if pattern.startswith("[") and pattern.endswith("]") else pattern)
    try:
        return _InNetwork(parse_network(pattern))
    except ValueError as error:
        return _BadNetwork(pattern, str(error))


def is_network(pattern: str) -> bool:
    """Whether Postfix takes a pattern for a network or an IPv6 address, be it a faulty one; else it is text."""
    return (":" in pattern or "/" in pattern) and not pattern.strip(_ADDRESS + "[]/")


class _Kind(Struct, frozen=True):
    """A kind of list: how a pattern is compared with what is asked for, and which keys of that tables are asked for."""

    question: Callable[[str], Question]
    keys: Callable[[str], Iterator[str]]


_STRINGS = _Kind(_Literal, whole_name)
_DOMAINS = _Kind(_domain, name_and_dotted_parents)
_PARENTS = _Kind(_DomainOrBelow, name_and_parents)
_ADDRESSES = _Kind(_address, whole_name)

Member = tuple[tuple[Question, ...], bool]
"""A question for each thing that the list is asked about; whether an answer means no match."""


class _Compiler:
    """Turns the text of a list into members. `kinds`: one for each thing that the list is asked about."""

    def __init__(self, tables: Parts, title: str, warn: Warn, kinds: tuple[_Kind, ...]) -> None:
        self._tables = tables
        self._title = title
        self._warn = warn
        self._kinds = kinds

    def members(self, value: str, negated: bool = False, depth: int = 0) -> Iterator[Member]:
        """In order. What follows a `#` is no part of the list, as in Postfix."""
        elements = braces.split_list(value)
        for at, element in enumerate(elements):
            if element.startswith("#"):
                self._warn(f"{self._title}: comment at end of line is not supported: {' '.join(elements[at:])}")
                return
            text = element.lstrip("!")
            no = negated ^ ((len(element) - len(text)) % 2 == 1)
            if text.startswith("/"):
                yield from self._file(text, no, depth)
            else:
                yield self._questions(text), no

    def _questions(self, text: str) -> tuple[Question, ...]:
        if not text:
            return (_NoPattern(),) * len(self._kinds)
        if ":" in text and not text.startswith("["):
            return self._in(self._tables.open(text))
        return tuple(kind.question(fold(text)) for kind in self._kinds)

    def _in(self, table: Table) -> tuple[Question, ...]:
        return tuple(_InTable(table, kind.keys) for kind in self._kinds)

    def _file(self, path: str, negated: bool, depth: int) -> Iterator[Member]:
        name = f"non-existent:{path}"
        try:
            if depth >= _DEEPEST:
                raise Unavailable(name, f"open file {path}: too many levels of included files")
            lines = list(logical_lines(read_file(path, name, "open file")))
        except Unavailable as failure:
            yield self._in(self._tables.stand_in(failure)), negated
            return
        for _, line in lines:
            yield from self.members(line, negated, depth + 1)


class MatchList:
    """A compiled list. Build with `strings`, `domains` or `addresses`.

    Each builder takes the parameter's value, the process's tables, the parameter's name and where warnings go.
    `empty`: nothing is listed. A member that cannot be read or asked raises LookupFailure from `matches`, after a warning.
    """

    def __init__(self, value: str, tables: Parts, title: str, warn: Warn, *kinds: _Kind) -> None:
        members = tuple(_Compiler(tables, title, warn, kinds).members(value))
        self.empty = not members
        self._title = title
        self._warn = warn
        self._members = members
        self._names = _plain_names(members)
        # Only what no table decides can be remembered.
        self._steady = not any(isinstance(questions[0], _InTable) for questions, _ in members)
        self._remembered: dict[tuple[str, ...], bool] = {}

    @classmethod
    def strings(cls, value: str, tables: Parts, title: str, warn: Warn) -> "MatchList":
        """A list of strings (`mydestination`, `authorized_flush_users` …): equal without regard to case."""
        return cls(value, tables, title, warn, _STRINGS)

    @classmethod
    def domains(cls, value: str, tables: Parts, title: str, warn: Warn, *, parents: bool = False) -> "MatchList":
        """A list of domains. `.domain` matches what is below a domain; with `parents` (the parameter is named in
        parent_domain_matches_subdomains) `domain` matches that, too."""
        return cls(value, tables, title, warn, _PARENTS if parents else _DOMAINS)

    @classmethod
    def addresses(cls, value: str, tables: Parts, title: str, warn: Warn) -> "MatchList":
        """A list of addresses and networks (permit_mx_backup_networks)."""
        return cls(value, tables, title, warn, _ADDRESSES)

    @classmethod
    def hosts(cls, value: str, tables: Parts, title: str, warn: Warn) -> "MatchList":
        """A list of addresses, networks and names (mynetworks): ask it with both."""
        return cls(value, tables, title, warn, _DOMAINS, _ADDRESSES)

    async def matches(self, *names: str) -> bool:
        """Whether the list has what is asked for: a string, a domain, an address without brackets, or of a list of hosts the name
        and the address, of which each member is asked about the name first. Raises LookupFailure."""
        if self._names is not None:
            return fold(names[0]) in self._names
        known = self._remembered.get(names)
        if known is None:
            known = await self._decide(tuple(map(fold, names)))
            if self._steady:
                if len(self._remembered) >= _REMEMBERED:
                    self._remembered.clear()
                self._remembered[names] = known
        return known

    async def _decide(self, names: tuple[str, ...]) -> bool:
        try:
            for questions, negated in self._members:
                for question, name in zip(questions, names, strict=True):
                    if await question.matches(name):
                        return not negated
        except LookupFailure as failure:
            failure.parameter = self._title
            self._report(failure)
            raise
        return False

    def _report(self, failure: LookupFailure) -> None:
        if isinstance(failure, BadPattern):
            self._warn(f"{self._title}: {failure.why}")
            return
        if isinstance(failure, Unavailable):
            self._warn(f"{failure.table} is unavailable. {failure.why}")
        self._warn(f"{self._title}: {failure.table}: table lookup problem")


def _plain_names(members: tuple[Member, ...]) -> frozenset[str] | None:
    """The names of a list that has nothing else, which a set answers for; else None."""
    names = [
        question.pattern
        for questions, negated in members
        for question in questions
        if isinstance(question, _Literal) and len(questions) == 1 and not negated
    ]
    return frozenset(names) if len(names) == len(members) else None
