"""The port of a lookup table: one key in, one value or nothing out. One file of this room per table type."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from gatepost.mail.reason import Reason, because

Key = str


Found = tuple[str, int]
"""The value that a table has for a key, and the line of the table that it stands in; 0: not known."""


class LookupFailure(Exception):
    """The table cannot answer now (file gone, server down, time-out); the caller's failure action applies, by default 4xx.

    On its way up it learns what was asked: `parameter` names the tables or the list, `address` what they were to replace."""

    def __init__(self, table: str, why: str) -> None:
        super().__init__(f"{table}: {why}")
        self.table = table
        self.why = why
        self.parameter = ""
        self.address = ""

    def because(self, rule: str = "", key: str = "") -> Reason:
        """The reason of what `rule` decides for want of an answer; `key`: what was asked about, where the failure does not know."""
        return because(rule or self.parameter, self.table, key or self.address, self.why)


class Unavailable(LookupFailure):
    """The table cannot be opened at all: no such file or type, a mistake in its text. Raised on opening where the caller is strict,
    else by every lookup (Postfix's surrogate tables), so that a mail system starts with what it has."""


class Table(Protocol):
    """A lookup table.

    `name` is `type:name` as configured. `whole_key`: the type matches patterns against the whole key (regexp, pcre, cidr,
    static ...), so callers do not try partial keys (no address extension or parent domain is looked up: DATABASE_README).
    """

    name: str
    whole_key: bool

    async def lookup(self, key: str) -> str | None:
        """The value for `key`, None where there is none. Raises LookupFailure."""
        ...

    def close(self) -> None: ...


async def find_line(table: Table, key: str) -> Found | None:
    """As `table.lookup`, with the line of the rule from those tables that know it (patterns, networks). Raises LookupFailure."""
    by_line = finder(table)
    if by_line is not None:
        return await by_line(key)
    value = await table.lookup(key)
    return None if value is None else (value, 0)


def finder(table: Table) -> Callable[[str], Awaitable[Found | None]] | None:
    """How a table is asked that knows its lines; None: it does not."""
    by_line: Callable[[str], Awaitable[Found | None]] | None = getattr(table, "find_line", None)
    return by_line
