"""The parameters that tables of PostgreSQL and MySQL have in common: servers, and who logs in to which database."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec import Struct

from gatepost.config.tables import TABLE_PARAMETERS
from gatepost.lookup.server_access import AGE, IDLE, ServerAccess
from gatepost.lookup.server_parameters import TableParameters
from gatepost.lookup.server_pool import Connection, ServerPool
from gatepost.net.stream_port import BreakerRules, Crowd, Reuse, StreamRules

C = TypeVar("C", bound=Connection)

MOST_THREADS = 32
"""Connections to one server where each takes a thread."""


class Login(Struct, frozen=True):
    """`database`, `user`: empty for the driver's default; `secret`: the password."""

    user: str
    secret: str
    database: str


class Host(Struct, frozen=True):
    """Where a server is.

    `name`: as it is written, for logs;
    `host`: a name or an address;
    `port`: 0 for the usual one;
    `path`: a UNIX-domain socket, or a directory of one;
    `uri`: a connection URI, which says it all.
    """

    name: str
    host: str = ""
    port: int = 0
    path: str = ""
    uri: str = ""


_OF_A_QUERY = frozenset((
    "query", "domain", "result_format", "expansion_limit", "hosts",
    "table", "select_field", "where_field", "additional_conditions", "select_function",
))  # fmt: skip


def connection_settings(parameters: TableParameters, kind: str) -> tuple[str, ...]:
    """All that a connection depends on besides its host: tables that have the same may share connections. `kind`: their type."""
    return (kind, *(parameters.text(name) for name in sorted(TABLE_PARAMETERS[kind] - _OF_A_QUERY)))


def login(parameters: TableParameters) -> Login:
    return Login(parameters.text("user"), parameters.text("password"), parameters.text("dbname"))


def hosts(parameters: TableParameters, default: str) -> tuple[Host, ...]:
    """`hosts`. Raises Unavailable."""
    return tuple(_host(parameters, text) for text in parameters.words("hosts") or [default])


def _host(parameters: TableParameters, text: str) -> Host:
    kind, _, rest = text.partition(":")
    if rest.startswith("//"):
        return Host(f"{kind}://{_server_in(parameters, rest)}", uri=text)
    if kind == "unix" or text.startswith("/"):
        return Host(text, path=rest if kind == "unix" else text)
    where = rest if kind == "inet" else text
    host, colon, port = where.rpartition(":") if not where.endswith("]") and where.count(":") != 0 else (where, "", "")
    if colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise parameters.wrong("hosts", f"{text}: no port in it: write inet:HOST:PORT, unix:PATH or a URI")
    return Host(text, host=host.removeprefix("[").removesuffix("]"), port=int(port or 0))


_URI = re.compile(r"//(?:[^@/?#]*@)?((?:\[[^]]*\]|[^]@/?#:[]*)(?::\d*)?)(?:/[^@?#]*)?(?:\?.*)?", re.ASCII)


def _server_in(parameters: TableParameters, rest: str) -> str:
    """The address in a URI, for logs. One that reads in two ways could show its password there. Raises Unavailable."""
    if (parts := _URI.fullmatch(rest)) is None:
        raise parameters.wrong("hosts", "no connection URI: in a user, a password or a name write %40 for @, %2F for /, %3F for ?")
    return parts[1]


def rules(parameters: TableParameters, access: ServerAccess, *, threads: bool = False) -> StreamRules:
    """How such servers are asked: idle_interval and retry_interval are the table's own. `threads`: each connection takes one."""
    limits = access.limits
    most = min(limits.helper_connection_limit, MOST_THREADS) if threads else limits.helper_connection_limit
    return access.rules(
        limits.helper_lookup_timeout,
        crowd=Crowd.of(most),
        reuse=Reuse(parameters.number("idle_interval", int(IDLE), 1), AGE),
        breaker=BreakerRules(limits.helper_failure_limit, parameters.number("retry_interval", limits.helper_probe_interval, 1)),
    )


def shuffled(local: frozenset[str], random: Callable[[], float]) -> Callable[[Sequence[ServerPool[C]]], Sequence[ServerPool[C]]]:
    """The order in which to ask: by chance, those of this machine (`local`: their names) first."""
    return lambda pools: sorted(pools, key=lambda pool: (pool.server not in local, random()))
