"""`ldap:NAME`: users of a directory. Their entry is searched for, and then a connection of its own logs in as that entry with the
password: the server says whether it is right. Parameters are those of ldap_table(5); beside them:

- `query_filter`: how a user is found; `(uid=%s)` where there is none; `memberOf` in it says who may send;
- `group_search_base`, `group_filter`, `group_member_attribute`: a user may log in only where such a group is found, which has his
  DN in that attribute, or a `%` letter of the filter for his name (`memberUid=%u`).

An empty password is never tried: for a server that is an anonymous log-in, which is always right (RFC 4513 §5.1.2). Referrals are
not followed with a password. Where several entries are found, nobody knows whose the password is.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct

from gatepost.auth.backends.names import has_odd_spaces
from gatepost.auth.port import Attempt
from gatepost.lookup import libldap
from gatepost.lookup.key_format import Address, KeyFormat, divided
from gatepost.lookup.ldap_connection import LdapConnection, Outcome, Search
from gatepost.lookup.ldap_text import in_dn, in_filter
from gatepost.lookup.server_access import ANSWER_LIMIT
from gatepost.lookup.server_pool import ServerPool
from gatepost.net.stream_port import NOT_ASKED, StreamFailure
from gatepost.proto.sasl.port import Accepted, IsPassword, Question, Refused, Unavailable, Verdict

LogIn = Callable[[str, bytes], Awaitable[int]]
"""(DN, password): the code that the server gives for it. Raises StreamFailure."""

_WRONG: Final = frozenset((libldap.INVALID_CREDENTIALS, libldap.INAPPROPRIATE_AUTH, libldap.CONSTRAINT, libldap.NO_SUCH_OBJECT))
"""Codes that refuse this user: a wrong password, an entry without one, an account that is locked (in some servers) or gone."""


class Users(Struct, frozen=True):
    """How a user is found."""

    base: KeyFormat
    scope: int
    filter: KeyFormat


class Groups(Struct, frozen=True):
    """Of which group he has to be. `member`: the attribute that has his DN; empty where the filter says it."""

    base: str
    filter: KeyFormat
    member: str


class Server(Struct, frozen=True):
    """One server: its kept connections, for searches, and how users log in."""

    pool: ServerPool[LdapConnection]
    log_in: LogIn


class Directory:
    """A Checker. `seconds`: the time limit of a search; `warn`: is told what an administrator has to know."""

    answers: frozenset[type[Question]] = frozenset((IsPassword,))

    def __init__(
        self, spec: str, users: Users, groups: Groups | None, servers: Sequence[Server], seconds: int, warn: Callable[[str], None]
    ) -> None:
        self._spec = spec
        self._users = users
        self._groups = groups
        self._servers = servers
        self._seconds = seconds
        self._warn = warn

    async def check(self, question: Question, attempt: Attempt) -> Verdict:
        assert isinstance(question, IsPassword)
        password, key = question.password.octets, divided(question.user)
        base, filter = self._users.base.expand(key, key, in_dn), self._users.filter.expand(key, key, in_filter)
        if not password or base is None or filter is None or has_odd_spaces(question.user):
            return Refused()
        failure: Unavailable | None = None
        for server in self._servers:
            try:
                return await self._by(server, question.user, password, key, base, filter, attempt)
            except StreamFailure as trouble:
                if trouble.trouble not in NOT_ASKED or failure is None:
                    failure = Unavailable(f"server {server.pool.server}: {trouble.words}")
        return failure or Unavailable("no server")

    async def _by(
        self, server: Server, user: str, password: bytes, key: Address, base: str, filter: str, attempt: Attempt
    ) -> Verdict:
        """What one server says. Raises StreamFailure."""
        search = Search(base, self._users.scope, filter, (), self._seconds, 2, ANSWER_LIMIT)
        outcome = await self._search(server, search, attempt)
        if outcome.code == libldap.NO_SUCH_OBJECT and self._users.base.letters:
            return Refused()  # a user without an entry of his own
        if outcome.code not in (libldap.SUCCESS, libldap.SIZELIMIT_EXCEEDED):
            return self._odd(f"search base {base}: {outcome.words}")
        if len(outcome.entries) > 1:
            self._warn(f"{self._spec}: more than one entry for {user}: {filter}")
            return Refused()
        if not outcome.entries or not outcome.entries[0].dn:  # without a name it would be an anonymous log-in
            return Refused()
        dn = outcome.entries[0].dn
        if self._groups is not None and (verdict := await self._in_group(self._groups, server, dn, key, attempt)) is not None:
            return verdict
        code = await server.log_in(dn, password)
        if code == libldap.SUCCESS:
            return Accepted(user)
        return Refused() if code in _WRONG else self._odd(f"log-in of {dn}: {libldap.library().words(code)}")

    async def _in_group(self, groups: Groups, server: Server, dn: str, key: Address, attempt: Attempt) -> Verdict | None:
        """None where he is in such a group. Raises StreamFailure."""
        filter = groups.filter.expand(key, key, in_filter)
        if filter is None:
            return Refused()
        if groups.member:
            filter = f"(&{filter}({groups.member}={in_filter(dn)}))"
        search = Search(groups.base, _SUBTREE, filter, (), self._seconds, 1, ANSWER_LIMIT)
        outcome = await self._search(server, search, attempt)
        if outcome.code not in (libldap.SUCCESS, libldap.SIZELIMIT_EXCEEDED):
            return self._odd(f"search base {groups.base}: {outcome.words}")
        return None if outcome.entries else Refused()

    async def _search(self, server: Server, search: Search, attempt: Attempt) -> Outcome:
        return await server.pool.ask(lambda connection: connection.search(search), attempt.client_address)

    def _odd(self, why: str) -> Unavailable:
        self._warn(f"{self._spec}: {why}")
        return Unavailable(why)


_SUBTREE: Final = 2
