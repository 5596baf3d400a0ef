"""All table types by name, and the tables of one process: each `type:name` is opened once and shared by its services."""

import copy
import time
from collections.abc import Callable, Collection, Mapping
from importlib import import_module

from gatepost.lookup import braces, fail
from gatepost.lookup.accounts import Accounts
from gatepost.lookup.opening import Opening, Warn
from gatepost.lookup.port import LookupFailure, Table, Unavailable, finder
from gatepost.lookup.server_access import ServerAccess

Opener = Callable[[Opening], Table]


def _lazy(module: str) -> Opener:
    """The opener of `gatepost.lookup.<module>`, imported when first used."""

    def opener(opening: Opening) -> Table:
        table: Table = import_module(f"gatepost.lookup.{module}").open_table(opening)
        return table

    return opener


# A table type is a file of this room with `open_table(opening)`, and a line here.
TABLE_TYPES: Mapping[str, Opener] = {
    "btree": _lazy("indexed"),
    "cdb": _lazy("indexed"),
    "cidr": _lazy("cidr"),
    "dbm": _lazy("indexed"),
    "environ": _lazy("environ"),
    "fail": _lazy("fail"),
    "hash": _lazy("indexed"),
    "inline": _lazy("inline"),
    "internal": _lazy("internal"),
    "ldap": _lazy("ldap_table"),
    "lmdb": _lazy("indexed"),
    "memcache": _lazy("memcache"),
    "mysql": _lazy("mysql"),
    "nis": _lazy("nis"),
    "pcre": _lazy("pcre"),
    "pgsql": _lazy("pgsql"),
    "pipemap": _lazy("pipemap"),
    "proxy": _lazy("proxy"),
    "randmap": _lazy("randmap"),
    "redis": _lazy("redis"),
    "regexp": _lazy("regexp"),
    "sdbm": _lazy("indexed"),
    "socketmap": _lazy("socketmap"),
    "sqlite": _lazy("sqlite"),
    "static": _lazy("static"),
    "tcp": _lazy("tcp"),
    "texthash": _lazy("texthash"),
    "unionmap": _lazy("unionmap"),
    "unix": _lazy("unix"),
}


UNPROVEN = frozenset(("memcache", "redis", "socketmap", "tcp"))
"""Types whose servers prove neither who they are nor who may change their tables."""

_SHOWN = 1000  # characters of a key in a warning: a whole header may be one


class Maps:
    """The tables of one `*_maps` parameter, asked in order.

    `title` is the parameter's name, for warnings. `empty`: no table is configured, so there is nothing to ask.
    """

    __slots__ = ("_asked", "_warn", "empty", "tables", "title")

    def __init__(self, tables: tuple[Table, ...], title: str, warn: Warn) -> None:
        self.tables = tables
        self.title = title
        self.empty = not tables
        self._asked = [(table, finder(table)) for table in tables]
        self._warn = warn

    async def find(self, key: str, *, partial: bool = False) -> str | None:
        """The first answer for `key`. `partial`: the key is only a part of what is looked for (a domain, a user), which tables with
        patterns are not asked. Raises LookupFailure, after a warning in Postfix's words."""
        found = await self.find_at(key, partial=partial)
        return None if found is None else found[0]

    async def find_in(self, key: str, *, partial: bool = False) -> tuple[str, str] | None:
        """As `find`: (answer, name of the table that gave it)."""
        found = await self.find_at(key, partial=partial)
        return None if found is None else found[:2]

    async def find_at(self, key: str, *, partial: bool = False) -> tuple[str, str, int] | None:
        """As `find`: (answer, name of the table that gave it, its line there or 0)."""
        for table, by_line in self._asked:
            if partial and table.whole_key:
                continue
            try:
                if by_line is not None:
                    found = await by_line(key)
                else:
                    value = await table.lookup(key)
                    found = None if value is None else (value, 0)
            except LookupFailure as failure:
                failure.parameter = self.title
                self._report(failure, table.name, key)
                raise
            if found is not None:
                if found[0]:
                    return found[0], table.name, found[1]
                self._warn(f"{self.title} lookup of {key} returns an empty string result")
                self._warn(f"{self.title} should return NO RESULT in case of NOT FOUND")
                raise LookupFailure(table.name, "empty string result")
        return None

    def _report(self, failure: LookupFailure, table: str, key: str) -> None:
        if isinstance(failure, Unavailable):
            self._warn(f"{failure.table} is unavailable. {failure.why}")
        self._warn(f'{table} lookup error for "{key[:_SHOWN]}"')


class _Opened:
    """A table, and what was said while it was opened, which every service that opens it is told. What the table says later, only
    the first of them hears (`later`)."""

    __slots__ = ("_later", "failure", "remarks", "table")

    def __init__(self, later: Warn) -> None:
        self._later = later
        self.failure: Unavailable | None = None
        self.remarks: list[tuple[bool, str]] = []
        """(whether it is an error, text) in order."""
        self.table: Table | None = None

    def warn(self, text: str) -> None:
        """Something is odd with the table."""
        if self.table is None:
            self.remarks.append((False, text))
        else:
            self._later(text)

    def error(self, text: str) -> None:
        """A part of the table cannot be opened."""
        self.remarks.append((True, text))

    def fail(self, failure: Unavailable, *, told: bool = True) -> None:
        """The table itself cannot be opened."""
        self.failure = failure
        self.table = fail.unavailable(failure.table, failure.why)
        if told:
            self.error(failure.why)


class Tables:
    """The tables of one process or configuration, as one of its services opens them.

    `warn` and `error` get one line of text a warning, and a table that cannot be opened. `strict`: such a table is an exception at
    once (postmap(1)); otherwise it takes its place and fails every lookup. `proxied`: the tables that `proxy:` may name
    (proxy_read_maps); None: all. `fold` and `duplicates` as in Opening. `clock`: seconds, for noticing rebuilt files.
    `accounts`: the system's users and groups. `access`: main.cf and the network, for tables that ask servers.
    """

    def __init__(
        self,
        warn: Warn,
        error: Warn | None = None,
        *,
        strict: bool = False,
        fold: bool = True,
        duplicates: bool = False,
        proxied: Collection[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        accounts: Accounts | None = None,
        access: ServerAccess | None = None,
    ) -> None:
        self.warn = warn
        self.proxied = proxied
        self._error = error or warn
        self._strict = strict
        self._fold = fold
        self._duplicates = duplicates
        self._clock = clock
        self._substitution = True
        self._rights = False
        self.overrides: Mapping[str, str] = {}
        self.accounts = accounts or Accounts()
        self.access = access or ServerAccess()
        self._told: set[str] = set()
        self._opened: dict[str, _Opened] = {}

    def heard_by(self, warn: Warn, error: Warn) -> "Tables":
        """The same tables as another service opens them: it hears what is wrong with those that it opens, as if it were alone."""
        other = copy.copy(self)
        other.warn, other._error, other._told = warn, error, set()
        return other

    def with_overrides(self, overrides: Mapping[str, str]) -> "Tables":
        """The same tables as a service opens them whose line in master.cf sets parameters otherwise (`-o users_server_host=...`): a
        table of which one is set is another one for it."""
        other = copy.copy(self)
        other.overrides = overrides
        return other

    def without_substitution(self) -> "Tables":
        """The same tables for what must not be made of what a sender wrote (a mailbox, a command, a next hop): a rule of a pattern
        table that has `$1` in its result is skipped with a warning (local(8), virtual(8), transport(5))."""
        other = copy.copy(self)
        other._substitution = False
        return other

    def for_rights(self) -> "Tables":
        """The same tables, without substitution, for what gives rights: commands, files, users (local(8), virtual(8)). A server
        that proves neither who it is nor who changes its table may not say such things."""
        other = self.without_substitution()
        other._rights = True
        return other

    def open(self, spec: str) -> Table:
        """The table `type:name`. Raises Unavailable if strict."""
        known = spec if self._substitution or not _has_patterns(spec) else f"{spec} without substitution"
        if self._rights:
            known += " for rights"
        if self.overrides:
            known += _with_its_own(spec, self.overrides)
        opened = self._opened.get(known)
        if opened is None:
            opened = self._opened[known] = self._open(spec)
        table = self._heard(known, opened)
        if self._strict and opened.failure is not None:
            raise opened.failure
        return table

    def stand_in(self, failure: Unavailable) -> Table:
        """What takes the place of something else that cannot be read, such as the file of a list: it fails every lookup."""
        opened = self._opened.get(failure.table)
        if opened is None:
            opened = self._opened[failure.table] = _Opened(self.warn)
            opened.fail(failure)
        return self._heard(failure.table, opened)

    def _heard(self, spec: str, opened: _Opened) -> Table:
        """The table, after what this service has not heard of it yet."""
        if spec not in self._told:
            self._told.add(spec)
            for is_error, text in opened.remarks:
                (self._error if is_error else self.warn)(text)
        assert opened.table is not None
        return opened.table

    def maps(self, value: str, title: str = "") -> Maps:
        """The tables that a parameter's value lists, e.g. `hash:/etc/aliases, inline:{a=b}`. `title`: the parameter's name. Raises
        Unavailable if strict."""
        return Maps(tuple(map(self.open, braces.split_list(value))), title, self.warn)

    def close(self) -> None:
        """Close every table, for all services."""
        for opened in self._opened.values():
            if opened.table is not None:
                opened.table.close()
        self._opened.clear()

    def _open(self, spec: str) -> _Opened:
        opened = _Opened(self.warn)
        try:
            opened.table = self._table(spec, opened)
        except Unavailable as failure:
            opened.fail(failure, told=not self._strict)
        return opened

    def _table(self, spec: str, opened: _Opened) -> Table:
        kind, _, name = spec.partition(":")
        if not kind or not name:
            raise Unavailable(spec, f'open dictionary: expecting "type:name" form instead of "{spec}"')
        opener = TABLE_TYPES.get(kind)
        if opener is None:
            raise Unavailable(spec, f"unsupported dictionary type: {kind}{_instead(kind)}")
        if self._rights and kind in UNPROVEN:
            raise Unavailable(spec, f"{spec} map is not allowed for security-sensitive data")
        parts = self.heard_by(opened.warn, opened.error)
        return opener(Opening(kind, name, parts, opened.warn, self._clock, self._fold, self._duplicates, self._substitution))


def _instead(kind: str) -> str:
    """What to do where a type is one of some other Postfix."""
    from gatepost.config.tables import OTHER_TYPES  # read by nobody else here, and not quickly

    return f" ({OTHER_TYPES[kind]})" if kind in OTHER_TYPES else ""


def _with_its_own(spec: str, overrides: Mapping[str, str]) -> str:
    """What tells a table apart, or one that is composed of others, of which a service sets parameters; empty where it sets none."""
    from gatepost.config.tables import named_in_main_cf

    prefixes = tuple(f"{name}_" for name in named_in_main_cf(spec))
    its_own = {name: value for name, value in overrides.items() if prefixes and name.startswith(prefixes)}
    return f" with {sorted(its_own.items())}" if its_own else ""


def _has_patterns(spec: str) -> bool:
    """Whether a table, or one that it is composed of, has patterns."""
    return "pcre:" in spec or "regexp:" in spec
