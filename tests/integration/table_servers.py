"""The servers that tables are asked of in the contract suite (test_server_tables.py): a row a table type.

A new type is a class with these methods, and a line in SERVERS.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.integration.key_servers import Memcached, Redis
from tests.integration.line_servers import Socketmap, TcpTable
from tests.integration.slapd import BASE, Slapd, person
from tests.integration.sql_servers import PASSWORD, USER, MariaDb, PostgreSql

HUGE = "huge@example.com"
ANSWERS: Mapping[str, Sequence[str]] = {
    "anna@example.com": ["anna@store.test"],
    "team@example.com": ["anna@store.test", "berta@store.test"],
    "o'hara@example.com": ["ohara@store.test"],
    "100%s@example.com": ["percent@store.test"],
    "star*@example.com": ["star@store.test"],
    "back\\slash@example.com": ["backslash@store.test"],
    "(a)@example.com": ["parentheses@store.test"],
    "grün@example.com": ["gruen@store.test"],
    "@example.org": ["everybody@store.test"],
    "user": ["user@store.test"],
}
"""What each server knows (in addition to HUGE, whose answer is larger than any that is taken)."""


class TableServer(Protocol):
    """A real server that knows ANSWERS."""

    port: int
    several: str
    """What stands between two values of one key; empty where a key has one value."""
    whole_key: bool
    """Whether it is asked about keys as they are, and about whole ones only. Such a type has no configuration of its own."""

    def table(self, folder: Path, port: int, more: str = "") -> str:
        """A table `type:name` that asks at a port of 127.0.0.1, with a time limit of one second where the type has such a
        parameter. `more`: lines of its configuration."""
        ...

    def stop(self) -> None: ...
    def start(self) -> None: ...
    def clean(self) -> None: ...


class Ldap(Slapd):
    """slapd."""

    several = ","
    whole_key = False

    def __init__(self) -> None:
        entries = [
            person(f"entry {number}", mailacceptinggeneralid=[key], maildrop=values)
            for number, (key, values) in enumerate(ANSWERS.items())
        ]
        super().__init__([*entries, person("huge", mailacceptinggeneralid=[HUGE], maildrop=["x" * 1_500_000])])
        self.stop = self.kill

    def table(self, folder: Path, port: int, more: str = "") -> str:
        path = folder / f"ldap-{port}.cf"
        path.write_text(f"server_host = ldap://127.0.0.1:{port}\nsearch_base = {BASE}\ntimeout = 1\n{more}")
        return f"ldap:{path}"


ONE_EACH: Mapping[str, str] = {
    **{key: values[0] for key, values in ANSWERS.items() if len(values) == 1},
    "team@example.com": "anna@store.test",
    HUGE: "x" * 1_500_000,
}
"""The same for servers where a key has one value."""


class Tcp(TcpTable):
    several = ""
    whole_key = True

    def __init__(self) -> None:
        super().__init__(ONE_EACH)

    def table(self, folder: Path, port: int, more: str = "") -> str:
        return f"tcp:127.0.0.1:{port}"


class Sendmails(Socketmap):
    several = ""
    whole_key = True

    def __init__(self) -> None:
        super().__init__(ONE_EACH)

    def table(self, folder: Path, port: int, more: str = "") -> str:
        return f"socketmap:inet:127.0.0.1:{port}:aliases"


class Memory(Memcached):
    several = ""
    whole_key = False

    def __init__(self) -> None:
        super().__init__(ONE_EACH)

    def table(self, folder: Path, port: int, more: str = "") -> str:
        path = folder / f"memcache-{port}.cf"
        path.write_text(f"memcache = inet:127.0.0.1:{port}\ntimeout = 1\n{more}")
        return f"memcache:{path}"


class Dictionary(Redis):
    several = ""
    whole_key = False

    def __init__(self) -> None:
        super().__init__(ONE_EACH)

    def table(self, folder: Path, port: int, more: str = "") -> str:
        path = folder / f"redis-{port}.cf"
        path.write_text(f"redis = inet:127.0.0.1:{port}\ntimeout = 1\n{more}")
        return f"redis:{path}"


SQL: Mapping[str, Sequence[str]] = {**ANSWERS, HUGE: ["x" * 1_500_000]}


def _sql(kind: str, folder: Path, port: int, more: str) -> str:
    path = folder / f"{kind}-{port}.cf"
    path.write_text(
        f"hosts = 127.0.0.1:{port}\nuser = {USER}\npassword = {PASSWORD}\ndbname = mail\n"
        f"query = SELECT goto FROM aliases WHERE address = '%s'\n{more}"
    )
    return f"{kind}:{path}"


class Postgres(PostgreSql):
    several = ","
    whole_key = False

    def __init__(self) -> None:
        super().__init__(SQL)

    def table(self, folder: Path, port: int, more: str = "") -> str:
        return _sql("pgsql", folder, port, more)


class Maria(MariaDb):
    several = ","
    whole_key = False

    def __init__(self) -> None:
        super().__init__(SQL)

    def table(self, folder: Path, port: int, more: str = "") -> str:
        return _sql("mysql", folder, port, more)


SERVERS: Mapping[str, Callable[[], TableServer]] = {
    "ldap": Ldap,
    "memcache": Memory,
    "mysql": Maria,
    "pgsql": Postgres,
    "redis": Dictionary,
    "socketmap": Sendmails,
    "tcp": Tcp,
}
