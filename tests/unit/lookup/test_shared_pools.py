"""Tables that name the same server with the same settings share its connections, their limit and its breaker; a
service may set parameters of a table otherwise."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.settings import CONFIGURATION

from gatepost.config.master import Overrides
from gatepost.config.tables import TABLE_PARAMETERS
from gatepost.lookup.port import Unavailable
from gatepost.lookup.registry import Tables
from gatepost.lookup.server_access import ServerAccess
from gatepost.lookup.server_pool import ServerPool
from gatepost.lookup.server_table import ServerTable
from gatepost.lookup.sql_settings import _OF_A_QUERY
from gatepost.net.stream_client import StreamClient

FIRST = {
    "ldap": "server_host = ldap://one.test ldap://two.test\nsearch_base = dc=a\nquery_filter = (mail=%s)\nbind_dn = cn=x\n",
    "pgsql": "hosts = one.test two.test\ndbname = mail\nuser = postfix\nquery = SELECT a FROM b WHERE c = '%s'\n",
    "mysql": "hosts = one.test two.test\ndbname = mail\nuser = postfix\nquery = SELECT a FROM b WHERE c = '%s'\n",
}
OF_THE_QUERY = {"ldap": "query_filter = (uid=%u)", "pgsql": "query = SELECT 1", "mysql": "domain = example.com"}
OF_THE_CONNECTION = {"ldap": "bind_pw = secret", "pgsql": "password = secret", "mysql": "dbname = other"}


def pools(directory: Path, kind: str, *texts: str) -> list[Sequence[ServerPool]]:
    """The pools of tables with these settings."""

    async def opened() -> list[Sequence[ServerPool]]:
        tables = Tables(lambda text: None, strict=True, access=ServerAccess(lambda: CONFIGURATION))
        found = []
        for number, text in enumerate(texts):
            file = directory / f"{number}.cf"
            file.write_text(text)
            table = tables.open(f"{kind}:{file}")
            assert isinstance(table, ServerTable)
            found.append(table.source._servers.pools)
        tables.close()
        return found

    return asyncio.run(opened())


@pytest.mark.parametrize("kind", FIRST)
def test_what_is_asked_makes_no_other_connection(kind: str, tmp_path: Path) -> None:
    one, other = pools(tmp_path, kind, FIRST[kind], FIRST[kind] + OF_THE_QUERY[kind])
    assert [a is b for a, b in zip(one, other, strict=True)] == [True, True]
    assert one[0] is not one[1]


@pytest.mark.parametrize("kind", FIRST)
def test_who_logs_in_otherwise_shares_nothing(kind: str, tmp_path: Path) -> None:
    """Not even the breaker: a wrong password of one table says nothing of the server to the other."""
    one, other = pools(tmp_path, kind, FIRST[kind], FIRST[kind] + OF_THE_CONNECTION[kind])
    assert not any(a is b for a in one for b in other)


@pytest.mark.parametrize("kind", FIRST)
def test_servers_in_common_are_shared_whatever_the_others_are(kind: str, tmp_path: Path) -> None:
    one, other = pools(tmp_path, kind, FIRST[kind], FIRST[kind].replace("one.test", "three.test"))
    assert one[1] is other[1]
    assert one[0] is not other[0]


def clients(directory: Path, kind: str, *texts: str) -> list[StreamClient]:
    """What asks for tables of a type: by their names, or the texts of their files."""

    async def opened() -> list[StreamClient]:
        tables = Tables(lambda text: None, strict=True, access=ServerAccess(lambda: CONFIGURATION))
        found = []
        for number, text in enumerate(texts):
            spec = f"{kind}:{text}"
            if " = " in text:
                (directory / f"{number}.cf").write_text(text)
                spec = f"{kind}:{directory}/{number}.cf"
            source = tables.open(spec).source  # type: ignore[attr-defined]
            found.append((source._server if kind == "memcache" else source)._client)
        tables.close()
        return found

    return asyncio.run(opened())


REDIS = "redis = inet:one.test:6379\ndatabase = 1\n"
MEMCACHE = "memcache = inet:one.test:11211\n"


@pytest.mark.parametrize(
    ("kind", "one", "other", "shared"),
    [
        ("redis", REDIS, f"{REDIS}key_format = user:%s\n", True),
        ("redis", REDIS, f"{REDIS}password = secret\n", False),
        ("redis", REDIS, REDIS.replace("1", "2"), False),
        ("redis", REDIS, f"{REDIS}tls = yes\n", False),
        ("memcache", MEMCACHE, f"{MEMCACHE}key_format = user:%s\nttl = 5\n", True),
        ("memcache", MEMCACHE, f"{MEMCACHE}timeout = 7\n", False),
        ("memcache", MEMCACHE, MEMCACHE.replace("one", "two"), False),
        ("socketmap", "inet:one.test:99:users", "inet:one.test:99:domains", True),
        ("socketmap", "inet:one.test:99:users", "inet:one.test:98:users", False),
        ("tcp", "one.test:99", "two.test:99", False),
    ],
)
def test_tables_of_other_servers_share_them_too(kind: str, one: str, other: str, shared: bool, tmp_path: Path) -> None:
    first, second = clients(tmp_path, kind, one, other)
    assert (first is second) is shared


def test_servers_of_two_protocols_are_two(tmp_path: Path) -> None:
    async def opened() -> list[object]:
        tables = Tables(lambda text: None, strict=True, access=ServerAccess(lambda: CONFIGURATION))
        found = [tables.open(spec).source._client for spec in ("tcp:one.test:99", "socketmap:inet:one.test:99:a")]  # type: ignore[attr-defined]
        tables.close()
        return found

    one, other = asyncio.run(opened())
    assert one is not other


IN_MAIN_CF = {"users_hosts": "one.test", "users_dbname": "$virtual_database", "virtual_database": "mail", "users_query": "SELECT 1"}


def dbname(tables: Tables, spec: str) -> tuple[str, str]:
    """Which server a table asks, and for which database."""
    table = tables.open(spec)
    assert isinstance(table, ServerTable)
    (pool,) = table.source._servers.pools
    (settings,) = [key for key, known in tables.access._pools.items() if known is pool]
    return pool.server, settings[0][1 + sorted(TABLE_PARAMETERS["pgsql"] - _OF_A_QUERY).index("dbname")]


def test_a_service_may_set_parameters_of_a_table_otherwise() -> None:
    """`-o users_hosts=two.test`: a table of which a service sets nothing is the same for it."""

    async def scenario() -> None:
        main = CONFIGURATION.with_settings({**IN_MAIN_CF, "others_hosts": "three.test", "others_query": "SELECT 1"})
        tables = Tables(lambda text: None, strict=True, access=ServerAccess(lambda: main))
        own = tables.with_overrides({"users_hosts": "two.test", "virtual_database": "other", "smtpd_banner": "x"})
        assert dbname(tables, "pgsql:users") == ("one.test", "mail")
        assert dbname(own, "pgsql:users") == ("two.test", "other")
        assert dbname(own.for_rights(), "pgsql:users") == ("two.test", "other")
        assert own.open("pgsql:others") is tables.open("pgsql:others")
        tables.close()

    asyncio.run(scenario())


def test_a_table_that_is_composed_of_others_has_the_services_own() -> None:
    async def scenario() -> None:
        tables = Tables(lambda text: None, strict=True, access=ServerAccess(lambda: CONFIGURATION.with_settings(IN_MAIN_CF)))
        own = tables.with_overrides({"users_hosts": "two.test"})
        spec = "unionmap:{pgsql:users, static:x}"
        assert own.open(spec) is not tables.open(spec)
        assert {pool.server for pool in tables.access._pools.values()} == {"one.test", "two.test"}
        tables.close()

    asyncio.run(scenario())


def test_what_a_service_sets_wrongly_is_told_with_its_place() -> None:
    async def scenario() -> None:
        tables = Tables(lambda text: None, strict=True, access=ServerAccess(lambda: CONFIGURATION.with_settings(IN_MAIN_CF)))
        overrides = Overrides(users_expansion_limit="many")
        overrides.file, overrides.line = "/etc/postfix/master.cf", 7
        with pytest.raises(Unavailable, match=r"/etc/postfix/master.cf, line 7: users_expansion_limit = many: "):
            tables.with_overrides(overrides).open("pgsql:users")
        tables.close()

    asyncio.run(scenario())
