"""What `gatepost check` finds beyond loading: services, transports, tables, files and accounts that are named and not there.

Postfix finds most of these when a daemon first needs them, hours later; here they are told before the start.
"""

import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct

from gatepost.config.accounts import OWNERS, accounts_that_are_refused, uid_of
from gatepost.config.configuration import Configuration
from gatepost.config.faults import ConfigurationError, Fault
from gatepost.config.master import by_key
from gatepost.config.parameters import ValueKind
from gatepost.config.ports import is_port, known_ports, malformed
from gatepost.config.programs import BUILT_IN, PROGRAMS, UNKNOWN, program
from gatepost.config.spawned import SpawnFault, spawn_attributes
from gatepost.config.tables import OTHER_TYPES, TABLE_PARAMETERS, sources, unknown_names
from gatepost.config.usage import Scope, scopes
from gatepost.config.values import split


def _has_port(name: str) -> bool:
    try:
        return bool(socket.getservbyname(name, "tcp"))
    except (OSError, ValueError):  # ValueError: an octet that is not UTF-8
        return False


def text_of(file: str) -> str:
    """The text of a file, bytes that are not UTF-8 kept as surrogates. Raises OSError."""
    with open(file, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()


class System(Struct, frozen=True):
    """What is asked of the machine."""

    exists: Callable[[str], bool] = os.path.exists
    text_of: Callable[[str], str] = text_of
    uid_of: Callable[[str], int | None] = uid_of
    has_port: Callable[[str], bool] = _has_port
    privileged: bool = os.geteuid() == 0


def check(configuration: Configuration, system: System | None = None) -> tuple[Fault, ...]:
    """Everything that would go wrong later, in the order of `CHECKS`."""
    machine = system or System()
    return tuple(fault for one in CHECKS for fault in one(configuration, machine))


def _services(configuration: Configuration, system: System) -> Iterator[Fault]:
    last = by_key(configuration.services)
    named = configuration.value("known_tcp_ports")
    ports = known_ports(named)
    for element in malformed(named):
        yield configuration.fault("known_tcp_ports", f"known_tcp_ports: no port in {element}", "write name=number")
    for entry in configuration.services:
        kept = last[entry.key]
        if kept is not entry:
            told = f"duplicate service {entry.key}: the entry of line {kept.line} is used"
            yield Fault(entry.file, entry.line, told, "remove one of them")
        port = entry.endpoint[1]
        if entry.type == "inet" and not (is_port(port) or port in ports or system.has_port(port)):
            yield Fault(entry.file, entry.line, f"unknown port {port} in service {entry.name}", "write a number from 1 to 65535")
        row = program(entry.program)
        if row is UNKNOWN:
            yield Fault(entry.file, entry.line, f"unknown daemon {entry.command}", "one of: " + ", ".join(sorted(PROGRAMS)))
        elif row.listens and entry.type not in row.listens:
            told = f"service {entry.key}: {row.name} takes no connections of type {entry.type}"
            yield Fault(entry.file, entry.line, told, "one of: " + ", ".join(row.listens))


def _successors(configuration: Configuration, system: System) -> Iterator[Fault]:
    """Who passes postscreen needs a server that takes over."""
    there = {entry.key for entry in configuration.services if program(entry.program).takes_mail}
    for entry in configuration.services:
        if program(entry.program).guards:
            name = configuration.value("smtpd_service_name", entry.overrides)
            if f"{name}/pass" not in there:
                told = f"service {entry.key}: {entry.program} has no service {name}/pass for the clients that pass"
                yield Fault(entry.file, entry.line, told, f"add the line: {name} pass - - n - - smtpd")


def _spawned(configuration: Configuration, system: System) -> Iterator[Fault]:
    """Lines of spawn(8) whose connections would be closed at once."""
    for entry in configuration.services:
        if program(entry.program).spawned:
            try:
                spawn_attributes(entry.arguments)
            except SpawnFault as fault:
                yield Fault(entry.file, entry.line, f"service {entry.key}: {fault}", "write: spawn user=NAME argv=COMMAND")


def _transports(configuration: Configuration, system: System) -> Iterator[Fault]:
    transports = named(configuration, ValueKind.TRANSPORT)
    services = BUILT_IN.keys() | {entry.name for entry in configuration.services}
    for scope in scopes(configuration):
        for name in sorted(transports if scope.overrides is None else transports & scope.names):
            if (configuration.raw(name, scope.overrides) or "").startswith("$"):
                continue  # stands under the name of another, and is told there
            transport = _value(configuration, name, scope).partition(":")[0]
            if transport and transport not in services:
                told = f"{name} names transport {transport}, which is no service of master.cf"
                yield configuration.fault(name, told, f"add a service {transport} to master.cf", scope.overrides)


def _tables(configuration: Configuration, system: System) -> Iterator[Fault]:
    for scope in scopes(configuration):
        for name, _, _ in scope.settings:
            if name not in configuration.parameters or name.endswith(OWN_TABLES):
                continue
            value = _value(configuration, name, scope)
            for kind, path in _FILE_TABLE.findall(value):
                files = [path + suffix for suffix in FILE_TABLES[kind]]
                if not any(map(system.exists, files)):
                    remedy = f"create it, then run: gatepost postmap {kind}:{path}" if len(files) > 1 else "create it"
                    yield configuration.fault(name, f"open {path}: No such file or directory", remedy, scope.overrides)
            for unknown in _unknown_types(name, value):
                told = f"unsupported dictionary type: {unknown}"
                remedy = OTHER_TYPES.get(unknown, "gatepost postconf -m lists the types")
                yield configuration.fault(name, told, remedy, scope.overrides)


def _unknown_types(name: str, value: str) -> list[str]:
    if not name.endswith(("_maps", "_checks")):
        return []
    types = (item.partition(":")[0] for item in split(value) if ":" in item and not item.startswith("{"))
    return [kind for kind in types if kind not in TABLE_TYPES]


def table_configurations(configuration: Configuration, text_of: Callable[[str], str]) -> Iterator[Fault]:
    """Configuration files of tables (`ldap:/file`) that cannot be read or set what their type does not know."""
    seen: set[tuple[str, str]] = set()
    for scope in scopes(configuration):
        for name, value, _ in scope.settings:
            if name not in configuration.parameters:
                continue
            for source in sources(configuration, value, scope.overrides):
                if source.in_file and (source.type, source.name) not in seen:
                    seen.add((source.type, source.name))
                    try:
                        text = text_of(source.name)
                    except OSError as error:
                        told = f'open "{source.type}" configuration "{source.name}": {error.strerror}'
                        yield configuration.fault(name, told, "create the file or correct its name", scope.overrides)
                        continue
                    for unknown in unknown_names(source, text):
                        remedy = "correct the name or remove the setting"
                        yield Fault(f"{source.type}:{source.name}", 0, f"unused parameter: {unknown}", remedy)


def _table_configurations(configuration: Configuration, system: System) -> Iterator[Fault]:
    yield from table_configurations(configuration, system.text_of)


def _files(configuration: Configuration, system: System) -> Iterator[Fault]:
    for scope in scopes(configuration):
        for name in sorted(scope.names & named(configuration, ValueKind.FILE)):
            for path in split(_value(configuration, name, scope)):
                if path.startswith("/") and not system.exists(path):
                    told = f"{name}: no such file: {path}"
                    yield configuration.fault(name, told, "create the file or correct its name", scope.overrides)


def _accounts(configuration: Configuration, system: System) -> Iterator[Fault]:
    if not system.privileged:
        return
    for name in OWNERS:
        account = configuration.value(name)
        if system.uid_of(account) is None:
            yield configuration.fault(name, f"{name}: no such user: {account}", f"create the user or set {name}")
    yield from accounts_that_are_refused(configuration, system.uid_of)


def _domains(configuration: Configuration, system: System) -> Iterator[Fault]:
    """A domain belongs to one address class (ADDRESS_CLASS_README)."""
    for one, other in _EXCLUSIVE:
        both = _literal_domains(configuration, one) & _literal_domains(configuration, other)
        for domain in sorted(both):
            told = f"do not list domain {domain} in BOTH {one} and {other}"
            yield configuration.fault(other, told, "remove it from one of them")


def _literal_domains(configuration: Configuration, name: str) -> set[str]:
    words = split(configuration.value(name).lower())
    return {word for word in words if ":" not in word and not word.startswith(("/", "!"))}


def named(configuration: Configuration, kind: ValueKind) -> frozenset[str]:
    """The names of the parameters of a kind."""
    return frozenset(row.name for row in configuration.parameters.values() if row.kind is kind)


def _value(configuration: Configuration, name: str, scope: Scope) -> str:
    try:
        return configuration.value(name, scope.overrides)
    except (KeyError, ConfigurationError):
        return ""


Check = Callable[[Configuration, System], Iterator[Fault]]

CHECKS: tuple[Check, ...] = (
    _services, _successors, _spawned, _transports, _tables, _table_configurations, _files, _accounts, _domains,
)  # fmt: skip

_INDEXED = ("", ".db", ".lmdb", ".cdb")
FILE_TABLES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("hash", "btree", "lmdb", "cdb", "dbm", "sdbm"), _INDEXED),
    **dict.fromkeys(("texthash", "regexp", "pcre", "cidr"), ("",)),
}
"""Table types whose name is a pathname, and the suffixes of the files that may stand for it."""

TABLE_TYPES = frozenset(
    {*FILE_TABLES, *TABLE_PARAMETERS, "environ", "fail", "inline", "internal", "nis", "nisplus", "pipemap", "proxy", "randmap",
     "socketmap", "static", "tcp", "unionmap", "unix"}
)  # fmt: skip

_FILE_TABLE = re.compile(rf"(?:^|[\s,{{:])({'|'.join(FILE_TABLES)}):(/[^\s,{{}}]+)", re.ASCII)
OWN_TABLES = ("_cache_database", "_cache_map", "address_verify_map")
"""Parameters that name tables which the mail system makes for itself."""

_EXCLUSIVE = (
    ("mydestination", "virtual_alias_domains"),
    ("mydestination", "virtual_mailbox_domains"),
    ("virtual_alias_domains", "virtual_mailbox_domains"),
    ("relay_domains", "virtual_alias_domains"),
    ("relay_domains", "virtual_mailbox_domains"),
)
