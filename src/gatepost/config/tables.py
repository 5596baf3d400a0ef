"""Lookup tables that have a configuration of their own: which parameters `ldap:name` reads, which `ldap:/file` may hold.

With a plain name the table's parameters stand in main.cf as `name_parameter`; with a pathname they stand in that file
(ldap_table(5), mysql_table(5), pgsql_table(5), sqlite_table(5), memcache_table(5)).
"""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.config.expand import ExpansionError
from gatepost.config.syntax import parse_main

_SQL = """
    query domain result_format expansion_limit
    table select_field where_field additional_conditions select_function
"""
_SERVER = f"{_SQL} hosts user password dbname require_result_set idle_interval retry_interval"
_WRITTEN = {
    "ldap": """
        server_host server_port timeout search_base query_filter result_format result_filter domain lookup_wildcards
        result_attribute special_result_attribute terminal_result_attribute leaf_result_attribute
        scope bind bind_dn bind_pw cache cache_expiry cache_size recursion_limit expansion_limit size_limit
        dereference chase_referrals version debuglevel sasl_mechs sasl_realm sasl_authz_id sasl_minssf
        group_search_base group_filter group_member_attribute
        start_tls tls_ca_cert_dir tls_ca_cert_file tls_cert tls_key tls_require_cert tls_random_file tls_cipher_suite
    """,
    "mysql": f"""
        {_SERVER} option_file option_group charset
        tls_cert_file tls_key_file tls_CAfile tls_CApath tls_ciphers tls_verify_cert
    """,
    "pgsql": f"{_SERVER} encoding",
    "sqlite": f"{_SQL} dbpath",
    "memcache": """
        memcache backup flags ttl key_format domain data_size_limit line_size_limit max_try retry_pause timeout
    """,
    "redis": """
        redis user password database key_format field_format result_format domain data_size_limit max_try retry_pause timeout
        tls tls_cert_file tls_key_file tls_CAfile tls_CApath tls_ciphers tls_verify_cert
    """,
}

TABLE_PARAMETERS: Mapping[str, frozenset[str]] = {kind: frozenset(names.split()) for kind, names in _WRITTEN.items()}
"""Table type to the names that its configuration may set."""

OTHER_TYPES: Mapping[str, str] = {
    "mongodb": "a type of Postfix 3.9 and later; export the collection to a hash: table, or ask it through tcp: or socketmap:",
    "nisplus": "NIS+ has no servers any more; export the map to a hash: table",
}
"""Table types of some Postfix that are not here, and what to do instead."""

SERVED_TYPES = frozenset({*TABLE_PARAMETERS, "socketmap", "tcp"})
"""Table types that ask servers (and sqlite, whose library waits as long)."""

MISSING_TYPES = frozenset({"nisplus"})
"""Table types that nothing here can open yet: whoever asks such a table gets no answer, and mail waits."""

_MISSING = re.compile(rf"(?:^|[\s,{{:])({'|'.join(sorted(MISSING_TYPES))}):(?=[^\s,{{}}])", re.ASCII)
_TABLE = re.compile(rf"(?:^|[\s,{{:])({'|'.join(TABLE_PARAMETERS)}):([^\s,{{}}]+)", re.ASCII)

_TABLE_FILE = re.compile(rf"(?:^|[\s,{{:])({'|'.join((*TABLE_PARAMETERS, 'sql(?=:/)', 'oauth'))}):([^\s,{{}}]+)", re.ASCII)
"""Words of smtpd_auth_backends, too: `sql:/file` or `sql:mysql:/file`, and `oauth:/file`, which is written like a table's."""


class TableSource(Struct, frozen=True):
    """A table named in a value, such as `ldap:/etc/postfix/users.cf`."""

    type: str
    name: str

    @property
    def in_file(self) -> bool:
        """Its configuration is a file of its own."""
        return in_file(self.name)


def in_file(name: str) -> bool:
    """Whether the `name` of `type:name` is a pathname."""
    return name.startswith(("/", "."))


def sources(configuration: Configuration, value: str, overrides: Mapping[str, str] | None = None) -> Iterator[TableSource]:
    """The tables with a configuration of their own that a value names, wrapped ones (`proxy:`, `pipemap:`) too."""
    if ":" not in value and "$" not in value:
        return
    try:
        expanded = configuration.expand(value, overrides)
    except ExpansionError:
        return  # told by whoever checks the value itself
    for match in _TABLE.finditer(expanded):
        yield TableSource(match[1], match[2])


def files_of_tables(value: str) -> list[str]:
    """The files in which the tables of an expanded value have their configuration."""
    return [match[2] for match in _TABLE_FILE.finditer(value) if in_file(match[2])] if ":" in value else []


def named_in_main_cf(value: str) -> list[str]:
    """The tables of an expanded value that have their configuration in main.cf: what its parameters begin with."""
    return [match[2] for match in _TABLE.finditer(value) if not in_file(match[2])] if ":" in value else []


def missing_types(value: str) -> list[str]:
    """The types of tables in a value that nothing can open yet, each once."""
    return list(dict.fromkeys(_MISSING.findall(value))) if ":" in value else []


def parameter_names(configuration: Configuration, value: str, overrides: Mapping[str, str] | None = None) -> Iterator[str]:
    """The main.cf names that the tables in a value would read."""
    for source in sources(configuration, value, overrides):
        if not source.in_file:
            yield from (f"{source.name}_{parameter}" for parameter in TABLE_PARAMETERS[source.type])


def unknown_names(source: TableSource, text: str) -> Iterator[str]:
    """The settings of a table's configuration file that its type does not know, as `name=value`."""
    for setting in parse_main(text, source.name).settings.values():
        if setting.name not in TABLE_PARAMETERS[source.type]:
            yield f"{setting.name}={setting.value}"
