"""`mysql:/file`, `mysql:prefix`: a table in MySQL or MariaDB (mysql_table(5)). Servers are asked in random order, those behind a
UNIX-domain socket first."""

import ssl
from collections.abc import Mapping
from functools import partial

from gatepost.lookup.library import library
from gatepost.lookup.mysql_connection import Access, connector
from gatepost.lookup.mysql_options import option_file
from gatepost.lookup.opening import Opening
from gatepost.lookup.server_access import ANSWER_LIMIT
from gatepost.lookup.server_parameters import TableParameters, read_parameters
from gatepost.lookup.server_pool import Servers, shared_pool
from gatepost.lookup.server_table import ServerTable, domains_of
from gatepost.lookup.server_tls import client_context
from gatepost.lookup.sparing import Sparing
from gatepost.lookup.sql_settings import Host, Login, connection_settings, hosts, login, rules, shuffled
from gatepost.lookup.sql_table import Database, lookup_of


def open_table(opening: Opening) -> ServerTable:
    """Raises Unavailable for a mistake in the parameters, or where the library is not installed."""
    parameters = read_parameters(opening)
    lookup = lookup_of(parameters, "mysql")
    options = option_file(parameters)
    named = _hosts(parameters, options)
    domains = domains_of(parameters, opening)
    limits = opening.tables.access
    how = rules(parameters, limits, threads=True)
    pymysql = library("pymysql", opening.spec)
    access = Access(
        _login(parameters, options),
        _context(parameters, options),
        _charset(parameters, options, pymysql),
        limits.limits.helper_lookup_timeout,
        ANSWER_LIMIT,
        parameters.boolean("require_result_set", True),
    )
    sql = lookup.statement.sql(lambda number: "%s", lambda text: text.replace("%", "%%"))
    settings = connection_settings(parameters, "mysql")
    pools = [shared_pool(opening, (settings, host), host.name, partial(connector, pymysql, host, access), how) for host in named]
    order = shuffled(frozenset(host.name for host in named if host.path or host.host == "localhost"), limits.network.random)
    return ServerTable(
        opening, Database(opening.spec, lookup, sql, Servers(pools, order), Sparing(opening.warn, opening.clock)), domains
    )


Options = Mapping[str, str]


def _hosts(parameters: TableParameters, options: Options) -> tuple[Host, ...]:
    """The option file says where `localhost` is, and where there is no `hosts`."""
    place = ":".join(options[name] for name in ("host", "port") if name in options)
    default = place if "host" in options else f"unix:{options['socket']}" if "socket" in options else "localhost"
    found = hosts(parameters, default)
    if any(host.uri for host in found):
        raise parameters.wrong("hosts", "a URI is not understood here: write inet:HOST:PORT or unix:PATH")
    here = options.get("socket", "")
    return tuple(Host(host.name, path=here) if here and host.host == "localhost" else host for host in found)


def _login(parameters: TableParameters, options: Options) -> Login:
    own = login(parameters)
    return Login(
        own.user or options.get("user", ""), own.secret or options.get("password", ""), own.database or options.get("database", "")
    )


def _charset(parameters: TableParameters, options: Options, pymysql: object) -> str:
    name = parameters.text("charset") or options.get("default-character-set", "utf8mb4")
    charset = pymysql.charset.charset_by_name(name)  # type: ignore[attr-defined]
    if charset is None:
        raise parameters.wrong("charset", "no character set of MySQL")
    return name


_OPTIONS = {
    "tls_CAfile": "ssl-ca", "tls_CApath": "ssl-capath", "tls_cert_file": "ssl-cert", "tls_key_file": "ssl-key",
    "tls_ciphers": "ssl-cipher",
}  # fmt: skip


def _context(parameters: TableParameters, options: Options) -> ssl.SSLContext | None:
    """TLS, where any of its parameters is set. A certificate is verified where there is something to verify it by."""
    files = {name: options.get(option, "") for name, option in _OPTIONS.items()}
    verify_name = parameters.boolean("tls_verify_cert", False)
    if not verify_name and not any(parameters.text(name) or files[name] for name in _OPTIONS):
        return None
    verify = verify_name or any(parameters.text(name) or files[name] for name in ("tls_CAfile", "tls_CApath"))
    return client_context(parameters, files, verify=verify, verify_name=verify_name)
