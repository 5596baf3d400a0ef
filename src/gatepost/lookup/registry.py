"""All table types by name, and the tables of one process: each `type:name` is opened once and shared."""

import time
from collections.abc import Callable, Collection, Mapping
from importlib import import_module

from gatepost.lookup import braces, fail
from gatepost.lookup.opening import Opening, Warn
from gatepost.lookup.port import LookupFailure, Table, Unavailable

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
    "lmdb": _lazy("indexed"),
    "pcre": _lazy("pcre"),
    "pipemap": _lazy("pipemap"),
    "proxy": _lazy("proxy"),
    "randmap": _lazy("randmap"),
    "regexp": _lazy("regexp"),
    "sdbm": _lazy("indexed"),
    "static": _lazy("static"),
    "texthash": _lazy("texthash"),
    "unionmap": _lazy("unionmap"),
    "unix": _lazy("unix"),
}


class Maps:
    """The tables of one `*_maps` parameter, asked in order.

    `title` is the parameter's name, for warnings. `empty`: no table is configured, so there is nothing to ask.
    """

    __slots__ = ("_warn", "empty", "tables", "title")

    def __init__(self, tables: tuple[Table, ...], title: str, warn: Warn) -> None:
        self.tables = tables
        self.title = title
        self.empty = not tables
        self._warn = warn

    async def find(self, key: str, *, partial: bool = False) -> str | None:
        """The first answer for `key`. `partial`: the key is only a part of what is looked for (a domain, a user), which tables with
        patterns are not asked. Raises LookupFailure, after a warning in Postfix's words."""
        found = await self.find_in(key, partial=partial)
        return None if found is None else found[0]

    async def find_in(self, key: str, *, partial: bool = False) -> tuple[str, str] | None:
        """As `find`: (answer, name of the table that gave it)."""
        for table in self.tables:
            if partial and table.whole_key:
                continue
            try:
                value = await table.lookup(key)
            except LookupFailure as failure:
                self._report(failure, table.name, key)
                raise
            if value is not None:
                if value:
                    return value, table.name
                self._warn(f"{self.title} lookup of {key} returns an empty string result")
                self._warn(f"{self.title} should return NO RESULT in case of NOT FOUND")
                raise LookupFailure(table.name, "empty string result")
        return None

    def _report(self, failure: LookupFailure, table: str, key: str) -> None:
        if isinstance(failure, Unavailable):
            self._warn(f"{failure.table} is unavailable. {failure.why}")
        self._warn(f'{table} lookup error for "{key[:100]}"')


class Tables:
    """The tables of one process or configuration.

    `warn` gets one line of text a warning. `strict`: a table that cannot be opened is an error at once (postmap(1)); otherwise it
    takes its place and fails every lookup. `proxied`: the tables that `proxy:` may name (proxy_read_maps); None: all. `fold` and
    `duplicates` as in Opening. `clock`: seconds, for noticing rebuilt files.
    """

    def __init__(
        self,
        warn: Warn,
        *,
        strict: bool = False,
        fold: bool = True,
        duplicates: bool = False,
        proxied: Collection[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.proxied = proxied
        self._warn = warn
        self._strict = strict
        self._fold = fold
        self._duplicates = duplicates
        self._clock = clock
        self._tables: dict[str, Table] = {}

    def open(self, spec: str, where: str = "") -> Table:
        """The table `type:name`. `where`: file and line of the parameter that names it, for a warning about a table that cannot
        be opened. Raises Unavailable if strict."""
        table = self._tables.get(spec)
        if table is None:
            table = self._tables[spec] = self._open(spec, where)
        return table

    def maps(self, value: str, title: str = "", *, warn: Warn | None = None, where: str = "") -> Maps:
        """The tables that a parameter's value lists, e.g. `hash:/etc/aliases, inline:{a=b}`. `title`: the parameter's name; `warn`:
        where its warnings go, if they are another service's than this object's. Raises Unavailable if strict."""
        specs = braces.split_list(value)
        return Maps(tuple(self.open(spec, where) for spec in specs), title, warn or self._warn)

    def close(self) -> None:
        """Close every table."""
        for table in self._tables.values():
            table.close()
        self._tables.clear()

    def _open(self, spec: str, where: str) -> Table:
        kind, colon, name = spec.partition(":")
        try:
            if not colon or not kind or not name:
                raise Unavailable(spec, f'open dictionary: expecting "type:name" form instead of "{spec}"')
            opener = TABLE_TYPES.get(kind)
            if opener is None:
                raise Unavailable(spec, f"unsupported dictionary type: {kind}")
            return opener(Opening(kind, name, self, self._warn, self._clock, self._fold, self._duplicates))
        except Unavailable as failure:
            if self._strict:
                raise
            if where:
                self._warn(f"{where}: {spec} is unavailable. {failure.why}")
            return fail.unavailable(spec, failure.why)
