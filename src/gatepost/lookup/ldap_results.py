"""What an LDAP table makes of the entries that are found: their result attributes, and those of the entries that they refer to
(ldap_table(5), special_result_attribute and its neighbours)."""

from collections.abc import Awaitable, Callable, Iterator

from gatepost.lookup import libldap
from gatepost.lookup.key_format import Address, divided
from gatepost.lookup.ldap_connection import Outcome, Search, weight
from gatepost.lookup.ldap_settings import Query
from gatepost.lookup.ldap_text import SCOPES, LdapUrl, is_url, parse_url
from gatepost.lookup.libldap import Entry
from gatepost.lookup.opening import Warn
from gatepost.lookup.port import LookupFailure

Ask = Callable[[Search], Awaitable[Outcome]]
"""Asks the servers. Raises StreamFailure."""

MOST_SEARCHES = 10_000
"""Searches that one lookup may need: groups that have each other as members would need searches without end."""
MOST_ANSWERS = 16
"""So many times the octets of one answer may all answers of a lookup have together."""


class Collecting:
    """One lookup. `spec`: the table, for texts; `key`: what is looked up; `octets`: the most of one answer, and of the
    results together."""

    def __init__(self, spec: str, query: Query, ask: Ask, key: Address, seconds: int, octets: int, warn: Warn) -> None:
        self._spec, self._query, self._key, self._warn = spec, query, key, warn
        self._ask = ask
        self._seconds, self._octets = seconds, octets
        self._searches = 0
        self._read = 0
        self._length = 0
        self._results: list[str] = []

    async def find(self, base: str, filter: str) -> list[str]:
        """The results, formatted. Raises LookupFailure, StreamFailure."""
        outcome = await self._search(base, self._query.scope, filter, self._query.asked)
        if outcome.code == libldap.NO_SUCH_OBJECT:
            if self._query.base.letters:
                return []  # a key without an entry of its own
            raise self._failure(f"Search base '{base}' not found: {outcome.words}")
        levels = [self._walk(self._entries_of(outcome))]
        while levels:
            special = next(levels[-1], None)
            if special is None:
                levels.pop()
            else:
                levels.append(self._walk(await self._referred(*special, len(levels))))
        return self._results

    async def _search(self, base: str, scope: int, filter: str, attributes: tuple[str, ...]) -> Outcome:
        self._searches += 1
        if self._searches > MOST_SEARCHES:
            raise self._failure(f"More than {MOST_SEARCHES} searches for key: '{self._key.whole}'")
        outcome = await self._ask(Search(base, scope, filter, attributes, self._seconds, self._query.size_limit, self._octets))
        self._read += sum(map(weight, outcome.entries))
        if self._read > MOST_ANSWERS * self._octets:
            raise self._failure(f"More than {MOST_ANSWERS * self._octets} octets of entries for key: '{self._key.whole}'")
        return outcome

    def _entries_of(self, outcome: Outcome) -> list[Entry]:
        if outcome.code != libldap.SUCCESS:
            raise self._failure(f"Search error {outcome.code}: {outcome.words}")
        return outcome.entries

    def _walk(self, entries: list[Entry]) -> Iterator[tuple[str, str]]:
        """Keep what entries have themselves; give their special attributes, each in its place."""
        for entry in entries:
            yield from self._own(entry)

    def _own(self, entry: Entry) -> Iterator[tuple[str, str]]:
        """The same for one."""
        roles = self._query.attributes
        named = {name.lower(): values for name, values in entry.attributes}
        terminal = any(named.get(name) for name in roles.terminal)
        group = not terminal and any(named.get(name) for name in roles.special)
        for name, values in entry.attributes:
            lower = name.lower()
            kept = lower in roles.terminal if terminal else lower in roles.result or (lower in roles.leaf and not group)
            for value in values:
                if not terminal and lower in roles.special:
                    yield name, value
                elif kept:
                    self._keep(value)

    def _keep(self, value: str) -> None:
        result = self._query.result.expand(divided(value), self._key)
        if result is None:
            return
        limit = self._query.expansion_limit
        if limit and len(self._results) >= limit:
            raise self._failure(f"Expansion limit exceeded for key: '{self._key.whole}'")
        self._length += len(result) + 1
        if self._length > self._octets:
            raise self._failure(f"More than {self._octets} octets of results for key: '{self._key.whole}'")
        self._results.append(result)

    async def _referred(self, name: str, value: str, depth: int) -> list[Entry]:
        """The entries that a special attribute refers to."""
        if depth >= self._query.recursion_limit:
            raise self._failure(f"Recursion limit exceeded for special attribute {name}={value}")
        url, attributes = self._reference(value)
        if url is None:
            return []
        outcome = await self._search(url.dn, url.scope, url.filter, attributes)
        if outcome.code == libldap.NO_SUCH_OBJECT:
            self._warn(f"{self._spec}: {name}={value} not found, skipping")
            return []
        return self._entries_of(outcome)

    def _reference(self, value: str) -> tuple[LdapUrl | None, tuple[str, ...]]:
        """What to search for, and the attributes to ask for: of a URL those that the table has as well."""
        if not is_url(value):
            return LdapUrl(value, scope=SCOPES["base"]), self._query.asked
        try:
            url = parse_url(value)
        except ValueError as problem:
            self._warn(f"{self._spec}: {value}: {problem}, skipping")
            return None, ()
        wanted = {name.lower() for name in url.attributes}
        attributes = tuple(name for name in self._query.asked if not wanted or name.lower() in wanted)
        if not attributes:
            self._warn(f"{self._spec}: {value}: none of its attributes is a result attribute, skipping")
            return None, ()
        return url, attributes

    def _failure(self, why: str) -> LookupFailure:
        self._warn(f"{self._spec}: {why}")
        return LookupFailure(self._spec, why)
