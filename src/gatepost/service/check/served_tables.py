"""What `gatepost check` finds in tables: each is opened as a worker will open it, and each server is asked once whether it answers.

What Postfix tells when a daemon opens the table, hours later, is told here: parameters with mistakes, libraries that are missing.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from gatepost.config.check import FILE_TABLES, OWN_TABLES
from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.faults import Fault
from gatepost.config.tables import MISSING_TYPES, OTHER_TYPES, SERVED_TYPES
from gatepost.config.usage import scopes
from gatepost.lookup.port import Table, Unavailable
from gatepost.lookup.registry import Tables
from gatepost.lookup.server_access import ServerAccess
from gatepost.lookup.server_table import ServerTable
from gatepost.service.check.patterns import tables_in

_WAITS: Final = "until then, mail that needs the table waits"
_PASSED_OVER: Final = "correct it or remove it"
_SILENT: Final = "mail that needs it waits until it answers; gatepost check --offline asks no server"
_TOLD_ELSEWHERE: Final = ("No such file", "main.cf, which is not read here")
_PATIENCE: Final = 30.0
"""Seconds for all servers."""


_READ_BY_RULE: Final = frozenset(("cidr", "pcre", "regexp"))
"""Types that patterns.py checks, rule by rule."""


class _Named(Struct, frozen=True):
    """A table, and where it is named."""

    spec: str
    parameter: str
    overrides: Mapping[str, str] | None


def check_tables(configuration: Configuration, *, ask: bool) -> Iterator[Fault]:
    """Each table once, whoever names it. `ask`: ask servers as well."""
    yield from asyncio.run(_check(configuration, ask))


async def _check(configuration: Configuration, ask: bool) -> list[Fault]:
    said: list[str] = []
    tables = Tables(said.append, strict=True, access=ServerAccess(lambda: configuration))
    found: list[Fault] = []
    served: list[tuple[_Named, ServerTable]] = []
    for named in _named(configuration):
        said.clear()
        try:
            table: Table | None = tables.open(named.spec)
        except Unavailable as failure:
            table = None
            if not any(words in failure.why for words in _TOLD_ELSEWHERE):
                found.append(_fault(configuration, named, failure.why, _WAITS))
        if named.spec.partition(":")[0] in SERVED_TYPES:
            found += (_fault(configuration, named, text, _PASSED_OVER) for text in said if "unused parameter" not in text)
        if isinstance(table, ServerTable):
            served.append((named, table))
    if ask:
        found += await _ask(configuration, served)
    tables.close()
    return found


async def _ask(configuration: Configuration, served: list[tuple[_Named, ServerTable]]) -> list[Fault]:
    """Ask every server of every table, all at once."""
    asking = [asyncio.create_task(_wrong(table)) for _, table in served]
    if asking:
        await asyncio.wait(asking, timeout=_PATIENCE)
    found: list[Fault] = []
    for (named, _), task in zip(served, asking, strict=True):
        wrong = task.result() if task.done() else {"": f"no answer within {_PATIENCE:g} seconds"}
        task.cancel()
        texts = (f"{named.spec}: server {server}: {why}" for server, why in wrong.items())
        found += (_fault(configuration, named, text, _SILENT) for text in texts)
    return found


async def _wrong(table: ServerTable) -> Mapping[str, str]:
    return await table.source.probe()


def _fault(configuration: Configuration, named: _Named, text: str, remedy: str) -> Fault:
    return configuration.fault(named.parameter, text, remedy, named.overrides)


def _named(configuration: Configuration) -> Iterator[_Named]:
    """The tables that parameters and restriction classes name: those that ask servers, and those built of files."""
    kinds = (SERVED_TYPES | FILE_TABLES.keys()) - MISSING_TYPES - OTHER_TYPES.keys() - _READ_BY_RULE
    seen: set[str] = set()
    for scope in scopes(configuration):
        for name, _, _ in scope.settings:
            if name not in configuration.parameters or name.endswith(OWN_TABLES):
                continue
            try:
                value = configuration.value(name, scope.overrides)
            except ConfigurationError:
                continue  # told elsewhere
            for spec in tables_in(value):
                if spec.partition(":")[0] in kinds and spec.partition(":")[2] and spec not in seen:
                    seen.add(spec)
                    yield _Named(spec, name, scope.overrides)
