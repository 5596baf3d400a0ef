"""Tables that name the same server with the same settings share its connections, their limit and its breaker."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.settings import CONFIGURATION

from gatepost.lookup.registry import Tables
from gatepost.lookup.server_access import ServerAccess
from gatepost.lookup.server_pool import ServerPool
from gatepost.lookup.server_table import ServerTable

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
