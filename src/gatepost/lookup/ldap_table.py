"""`ldap:/etc/postfix/x.cf`, `ldap:prefix`: a table in LDAP directories (ldap_table(5), LDAP_README).

A key becomes a search, with RFC 4514 and RFC 4515 quoting; the result attributes of what is found become a list with commas.
Connections are kept and shared by all sessions of a worker; of several servers the first in the list that answers is heard.
"""

import asyncio
from collections.abc import Mapping
from functools import partial

from gatepost.lookup import ldap_settings, libldap
from gatepost.lookup.key_format import divided
from gatepost.lookup.ldap_connection import LdapConnection, Outcome, Search, connector
from gatepost.lookup.ldap_results import Collecting
from gatepost.lookup.ldap_settings import Query
from gatepost.lookup.ldap_text import SCOPES, in_dn, in_filter
from gatepost.lookup.library import not_installed
from gatepost.lookup.opening import Opening
from gatepost.lookup.server_access import ANSWER_LIMIT
from gatepost.lookup.server_parameters import read_parameters
from gatepost.lookup.server_pool import ServerPool, Servers, shared_pool
from gatepost.lookup.server_table import ServerTable, domains_of
from gatepost.lookup.sparing import Sparing
from gatepost.net.stream_port import StreamFailure

_SYSTEM_LIBRARY = ", and install the system's libldap (Debian 12: apt-get install libldap-2.5-0; Debian 13: libldap2)"


class Directory:
    """The servers of a table. `seconds`: its time limit for a search."""

    def __init__(self, opening: Opening, query: Query, servers: Servers[LdapConnection], seconds: int) -> None:
        self._spec, self._warn = opening.spec, opening.warn
        self._query, self._servers, self._seconds = query, servers, seconds
        self._sparing = Sparing(opening.warn, opening.clock)

    async def find(self, key: str, owner: str) -> str | None:
        """The results for a key, separated by commas. Raises StreamFailure, LookupFailure."""
        address, query = divided(key), self._query
        base, filter = query.base.expand(address, address, in_dn), query.filter.expand(address, address, in_filter)
        if base is None or filter is None or not query.result.has_key_parts(address):
            return None

        async def ask(search: Search) -> Outcome:
            return await self._servers.ask(lambda connection: connection.search(search), owner, self._tell)

        found = await Collecting(self._spec, query, ask, address, self._seconds, ANSWER_LIMIT, self._warn).find(base, filter)
        return ",".join(found) or None

    async def probe(self) -> Mapping[str, str]:
        base = self._query.base.text if not self._query.base.letters else ""
        search = Search(base, SCOPES["base"], "(objectClass=*)", (), self._seconds, 1, ANSWER_LIMIT)
        wrong = {pool.server: await _wrong(pool, search) for pool in self._servers.pools}
        return {server: why for server, why in wrong.items() if why}

    def close(self) -> None:
        self._servers.close()

    def _tell(self, server: str, failure: StreamFailure) -> None:
        self._sparing.warn((server, failure.words), f"{self._spec}: server {server}: {failure.words}: asking the next")


async def _wrong(pool: ServerPool[LdapConnection], search: Search) -> str:
    """What is wrong with a server; nothing, if it answers."""
    try:
        outcome = await pool.ask(lambda connection: connection.search(search))
    except StreamFailure as failure:
        return failure.words
    return "" if outcome.code == libldap.SUCCESS else f"search base {search.base}: {outcome.words}"


def open_table(opening: Opening) -> ServerTable:
    """Raises Unavailable for a mistake in the parameters, or where the library is not installed."""
    parameters = read_parameters(opening)
    access = ldap_settings.access(parameters, opening.warn)
    query = ldap_settings.query(parameters, opening.warn)
    urls = ldap_settings.servers(parameters)
    domains = domains_of(parameters, opening)
    try:
        library = libldap.library()
    except libldap.LibraryMissing as missing:
        raise not_installed(opening.spec, str(missing), _SYSTEM_LIBRARY) from None
    if access.debug_level:
        loop = asyncio.get_running_loop()
        library.print_to(lambda line: loop.call_soon_threadsafe(opening.warn, f"{opening.spec}: {line}"))
    rules = opening.tables.access.rules(access.timeout)
    pools = [
        shared_pool(opening, ("ldap", url, access), url, partial(connector, library, url, access, ANSWER_LIMIT), rules)
        for url in urls
    ]
    return ServerTable(opening, Directory(opening, query, Servers(pools), access.timeout), domains)
