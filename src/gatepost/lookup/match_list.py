"""Lists that match: mydestination, relay_domains, mynetworks and all other parameters that are lists rather than tables.

A list names, in any mix: patterns; `/file` whose lines are more of the list; `type:table` where any answer is a match; and
`!` before any of these for "no match". The first member that matches decides (postconf(5), mynetworks and mydestination).
A list is compiled once; what asks no table answers from a set.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from gatepost.lookup import braces
from gatepost.lookup.cidr import Network, parse_address, parse_network
from gatepost.lookup.memory import fold
from gatepost.lookup.opening import Warn
from gatepost.lookup.port import LookupFailure, Table, Unavailable
from gatepost.lookup.registry import Tables
from gatepost.lookup.table_text import logical_lines, read_file

_REMEMBERED = 4096
# A list that includes itself through files would never end.
_DEEPEST = 20


class Member(Protocol):
    """One pattern or table of a list."""

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
    """An address inside the network; a name is in none."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def matches(self, name: str) -> bool:
        address = parse_address(name)
        return address is not None and self._network.test(address) is not None


class _Broken:
    """A member that cannot be read: nothing after it can be decided."""

    def __init__(self, failure: Unavailable) -> None:
        self._failure = failure

    async def matches(self, name: str) -> bool:
        raise Unavailable(self._failure.table, self._failure.why)


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


def _string_member(pattern: str) -> Member:
    return _Literal(pattern)


def _domain_member(pattern: str) -> Member:
    return _Suffix(pattern) if pattern.startswith(".") else _Literal(pattern)


def _parent_member(pattern: str) -> Member:
    return _DomainOrBelow(pattern)


def _address_member(pattern: str) -> Member:
    if pattern.startswith("[") or "/" in pattern or parse_address(pattern) is not None:
        return _InNetwork(parse_network(pattern))
    return _domain_member(pattern)


class _Compiler:
    """Turns the text of a list into members. A mistake is reported to `warn` and makes a member that fails, as in Postfix."""

    def __init__(self, tables: Tables, title: str, warn: Warn) -> None:
        self._tables = tables
        self._title = title
        self._warn = warn

    def members(
        self,
        value: str,
        literal: Callable[[str], Member],
        keys: Callable[[str], Iterator[str]],
        negated: bool = False,
        depth: int = 0,
    ) -> Iterator[tuple[Member, bool]]:
        """(member, whether its match means no match) in order."""
        for element in braces.split_list(value):
            text = element.lstrip("!")
            no = negated ^ ((len(element) - len(text)) % 2 == 1)
            if not text:
                self._warn(f"{self._title}: no pattern after '!'")
            elif text.startswith("/"):
                for line in self._file(text, depth):
                    yield from self.members(line, literal, keys, no, depth + 1) if isinstance(line, str) else ((line, no),)
            elif ":" in text and not text.startswith("["):
                yield _InTable(self._tables.open(text), keys), no
            else:
                yield self._literal(text, literal), no

    def _file(self, path: str, depth: int) -> Iterator[str | Member]:
        name = f"non-existent:{path}"
        try:
            if depth >= _DEEPEST:
                raise Unavailable(name, f"open file {path}: too many levels of included files")
            yield from (line for _, line in logical_lines(read_file(path, name, "open file")))
        except Unavailable as failure:
            yield _InTable(self._tables.stand_in(failure), whole_name)

    def _literal(self, text: str, literal: Callable[[str], Member]) -> Member:
        try:
            return literal(fold(text))
        except ValueError as error:
            self._warn(f"{self._title}: {error}")
            return _Broken(Unavailable(self._title, str(error)))


class MatchList:
    """A compiled list. Build with `strings`, `domains` or `addresses`.

    Each builder takes the parameter's value, the process's tables, the parameter's name and where warnings go.
    `empty`: nothing is listed. A member that cannot be read or asked raises LookupFailure from `matches`, after a warning.
    """

    def __init__(self, members: tuple[tuple[Member, bool], ...], title: str, warn: Warn) -> None:
        self.empty = not members
        self._title = title
        self._warn = warn
        self._names = _plain_names(members)
        self._members = members
        self._negated = any(negated for _, negated in members)
        # Only what no table decides can be remembered.
        self._steady = not any(isinstance(member, _InTable | _Broken) for member, _ in members)
        self._remembered: dict[str, bool] = {}

    @classmethod
    def strings(cls, value: str, tables: Tables, title: str, warn: Warn) -> "MatchList":
        """A list of strings (`debug_peer_list`, `authorized_flush_users` …): equal without regard to case."""
        return cls(tuple(_Compiler(tables, title, warn).members(value, _string_member, whole_name)), title, warn)

    @classmethod
    def domains(cls, value: str, tables: Tables, title: str, warn: Warn, *, parents: bool = False) -> "MatchList":
        """A list of domains. `.domain` matches what is below a domain; with `parents` (the parameter is named in
        parent_domain_matches_subdomains) `domain` matches that, too."""
        literal, keys = (_parent_member, name_and_parents) if parents else (_domain_member, name_and_dotted_parents)
        return cls(tuple(_Compiler(tables, title, warn).members(value, literal, keys)), title, warn)

    @classmethod
    def addresses(cls, value: str, tables: Tables, title: str, warn: Warn) -> "MatchList":
        """A list of addresses, networks and names (mynetworks): ask it with an address, or a host name."""
        return cls(tuple(_Compiler(tables, title, warn).members(value, _address_member, name_and_dotted_parents)), title, warn)

    async def matches(self, name: str) -> bool:
        """Whether the list has `name` (a string, domain, or address without brackets). Raises LookupFailure."""
        if self._names is not None:
            return fold(name) in self._names
        known = self._remembered.get(name)
        if known is None:
            known = await self._decide(fold(name))
            if self._steady:
                if len(self._remembered) >= _REMEMBERED:
                    self._remembered.clear()
                self._remembered[name] = known
        return known

    async def matches_host(self, name: str, address: str) -> bool:
        """Whether the list has the host of that name or that address, whichever a member matches first. Raises LookupFailure."""
        # Without negation and tables, the order of the two questions does not matter.
        if self._steady and not self._negated:
            return await self.matches(address) or await self.matches(name)
        return await self._decide(fold(name), address)

    async def _decide(self, *names: str) -> bool:
        try:
            for member, negated in self._members:
                for name in names:
                    if await member.matches(name):
                        return not negated
        except LookupFailure as failure:
            failure.parameter = self._title
            self._report(failure)
            raise
        return False

    def _report(self, failure: LookupFailure) -> None:
        if isinstance(failure, Unavailable):
            self._warn(f"{failure.table} is unavailable. {failure.why}")
        self._warn(f"{self._title}: {failure.table}: table lookup problem")


def _plain_names(members: tuple[tuple[Member, bool], ...]) -> frozenset[str] | None:
    """The names of a list that has nothing else, which a set answers for; else None."""
    names = [member.pattern for member, negated in members if isinstance(member, _Literal) and not negated]
    return frozenset(names) if len(names) == len(members) else None
