"""`pgsql:/file`, `pgsql:prefix`: a table in PostgreSQL (pgsql_table(5)). Servers are asked in random order, those behind a
UNIX-domain socket first."""

from functools import partial
from types import SimpleNamespace
from typing import Any

from gatepost.lookup.library import library
from gatepost.lookup.opening import Opening
from gatepost.lookup.pgsql_connection import connector
from gatepost.lookup.server_access import ANSWER_LIMIT
from gatepost.lookup.server_parameters import read_parameters
from gatepost.lookup.server_pool import Servers, shared_pool
from gatepost.lookup.server_table import ServerTable, domains_of
from gatepost.lookup.sparing import Sparing
from gatepost.lookup.sql_settings import connection_settings, hosts, login, rules, shuffled
from gatepost.lookup.sql_table import Database, lookup_of


def open_table(opening: Opening) -> ServerTable:
    """Raises Unavailable for a mistake in the parameters, or where the library is not installed."""
    parameters = read_parameters(opening)
    lookup = lookup_of(parameters, "pgsql")
    named, who = hosts(parameters, "localhost"), login(parameters)
    domains = domains_of(parameters, opening)
    access = opening.tables.access
    how = rules(parameters, access)
    psycopg = library("psycopg", opening.spec)
    pq = _libpq(psycopg)
    sql = lookup.statement.sql(lambda number: f"${number}")
    settings, seconds = connection_settings(parameters, "pgsql"), access.limits.helper_lookup_timeout
    pools = [
        shared_pool(opening, (settings, host), host.name, partial(connector, psycopg, pq, host, who, seconds, ANSWER_LIMIT), how)
        for host in named
    ]
    order = shuffled(frozenset(host.name for host in named if host.path), access.network.random)
    sparing = Sparing(opening.warn, opening.clock)
    return ServerTable(opening, Database(opening.spec, lookup, sql, Servers(pools, order), sparing), domains)


def _libpq(psycopg: Any) -> Any:
    """What a connection needs of psycopg's module of libpq."""
    pq = psycopg.pq
    return SimpleNamespace(
        error=psycopg.Error,
        SINGLE=pq.ExecStatus.SINGLE_TUPLE,
        TUPLES=pq.ExecStatus.TUPLES_OK,
        COMMAND=pq.ExecStatus.COMMAND_OK,
        FATAL=pq.ExecStatus.FATAL_ERROR,
        SQLSTATE=pq.DiagnosticField.SQLSTATE,
        PRIMARY=pq.DiagnosticField.MESSAGE_PRIMARY,
    )
