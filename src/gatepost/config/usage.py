"""Which names a configuration uses: parameters set and never used, names used and never defined (postconf(1) warns of both);
and lines and parameters that are there although nothing follows from them here.

A name of one's own is used when a value refers to it as `$name`, when `smtpd_restriction_classes` lists it, or when it
configures a table: with `ldap:name` in use, `name_server_host` and so on (ldap_table(5)).
"""

from collections.abc import Iterator

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.config.expand import ExpansionError, references
from gatepost.config.faults import Fault
from gatepost.config.master import Overrides
from gatepost.config.parameters import Parameter, Support, ValueKind
from gatepost.config.tables import missing_types, parameter_names
from gatepost.config.values import split

_CLASSES = "smtpd_restriction_classes"


class Scope(Struct, frozen=True):
    """main.cf, or the overrides of one service: what it sets, in order, and where each stands."""

    file: str
    settings: tuple[tuple[str, str, int], ...]
    overrides: Overrides | None = None

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for name, _, _ in self.settings)


def warnings_about(configuration: Configuration) -> Iterator[Fault]:
    """What is missing or has no effect here, then undefined names, then unused settings."""
    yield from missing(configuration)
    yield from idle(configuration)
    yield from undefined(configuration)
    yield from unused(configuration)


def missing(configuration: Configuration) -> Iterator[Fault]:
    """What is asked for and not there yet: settings that change a parameter which nothing obeys, and tables of types that nobody
    can open."""
    for scope, row, line in _changed(configuration):
        if row.support is Support.NOT_YET:
            told = f"parameter {row.name} is known but not implemented yet"
            yield Fault(scope.file, line, told, "it has no effect; remove it to silence this")
    used = configuration.parameters.keys() | used_names(configuration)
    for scope in scopes(configuration):
        for name, value, line in scope.settings:
            for kind in missing_types(value) if name in used else ():
                told = f"{name}: tables of type {kind} are known but not implemented yet"
                yield Fault(scope.file, line, told, "mail that needs it is deferred")


def idle(configuration: Configuration) -> Iterator[Fault]:
    """Settings that change a parameter which has no meaning here, and why not."""
    for scope, row, line in _changed(configuration):
        if row.support is Support.NO_MEANING:
            yield Fault(scope.file, line, f"parameter {row.name} has no effect here", row.why)


def _changed(configuration: Configuration) -> Iterator[tuple[Scope, Parameter, int]]:
    """Every setting of a parameter that differs from its default, and its line."""
    for scope in scopes(configuration):
        for name, value, line in scope.settings:
            row = configuration.parameters.get(name)
            if row is not None and value != row.default and not _declines(row, value):
                yield scope, row, line


def _declines(row: Parameter, value: str) -> bool:
    """Whether a setting says no to a feature (`biff = no`): nothing is missing then, where we have no such feature."""
    return row.kind is ValueKind.BOOLEAN and value == "no"


def undefined(configuration: Configuration) -> Iterator[Fault]:
    """Every `$name` in a value, and every restriction class, that nothing defines; once for each place that uses it."""
    everywhere = scopes(configuration)
    known = configuration.settings.keys() | configuration.parameters.keys()
    anywhere = frozenset[str]().union(*(scope.names for scope in everywhere))
    for scope in everywhere:
        for setting, value, line in scope.settings:
            own = anywhere if setting == _CLASSES else scope.names
            for name in _used_by(configuration, setting, value):
                if name not in known and name not in own and name not in former_names(configuration):
                    yield Fault(scope.file, line, f"undefined parameter: {name}", f"set {name} or correct its name")


def unused(configuration: Configuration) -> Iterator[Fault]:
    """Every setting of a name that is no parameter and that nothing uses, by name within each file."""
    used = used_names(configuration)
    found = {
        (scope.file, f"{name}={value}"): line
        for scope in scopes(configuration)
        for name, value, line in scope.settings
        if name not in used and name not in configuration.parameters
    }
    for (file, told), line in sorted(found.items()):
        yield Fault(file, line, f"unused parameter: {told}", "correct the name or remove the setting")


def used_names(configuration: Configuration) -> frozenset[str]:
    """Every name that some value, class list or table makes use of."""
    everywhere = scopes(configuration)
    used = set(former_names(configuration))
    for scope in everywhere:
        for setting, value, _ in scope.settings:
            used.update(_used_by(configuration, setting, value))
    for scope in everywhere:
        for setting, value, _ in scope.settings:
            if setting in configuration.parameters or setting in used:
                used.update(parameter_names(configuration, value, scope.overrides))
    return frozenset(used)


def scopes(configuration: Configuration) -> list[Scope]:
    """main.cf, then every service with its overrides."""
    main = tuple((one.name, one.value, one.line) for one in configuration.settings.values())
    found = [Scope(str(configuration.directory / "main.cf"), main)]
    for entry in configuration.services:
        own = tuple((name, value, entry.line) for name, value in entry.settings)
        found.append(Scope(entry.file, own, entry.overrides))
    return found


def former_names(configuration: Configuration) -> frozenset[str]:
    """What defaults refer to and is no parameter: parameters of former versions, such as `virtual_maps`."""
    rows = configuration.parameters
    return frozenset(
        name
        for row in rows.values()
        if "$" in row.default
        for name in _used_by(configuration, row.name, row.default)
        if name not in rows
    )


def user_names(configuration: Configuration) -> list[str]:
    """The names of one's own that main.cf sets and something uses, sorted."""
    used = used_names(configuration)
    return sorted(name for name in configuration.settings if name in used and name not in configuration.parameters)


def _used_by(configuration: Configuration, setting: str, value: str) -> list[str]:
    """The names that a setting uses: none where its `$` names are of another moment, or where it is faulty (told elsewhere)."""
    row = configuration.parameters.get(setting)
    if row and row.kind is ValueKind.RAW:
        return []
    try:
        found = list(references(value))
    except ExpansionError:
        return []
    if setting == _CLASSES:
        found.extend(name for name in split(value) if "$" not in name)
    return found
