"""What `gatepost check` finds in smtpd_auth_backends: words that name nothing, and back ends that could not be opened."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from gatepost.auth.backends import user_file
from gatepost.auth.backends.choice import Backend, WrongWord, backends
from gatepost.auth.backends.ldap_opening import open_directory
from gatepost.auth.backends.sql import table_of
from gatepost.auth.backends.token_claims import CannotSay
from gatepost.auth.backends.token_opening import open_tokens
from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.config.faults import Fault
from gatepost.config.usage import Scope, scopes
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Unavailable
from gatepost.lookup.registry import Tables
from gatepost.lookup.server_access import ServerAccess, system_network

_NAME: Final = "smtpd_auth_backends"
_PAM_FOLDERS: Final = ("/etc/pam.d", "/usr/lib/pam.d")
_WRONG: Final = "correct it: the service does not start with it"
_WAITS: Final = "until then, nobody can log in by it (454)"


def check_auth_backends(configuration: Configuration, *, ask: bool = False) -> Iterator[Fault]:
    """Of main.cf, and of each service of master.cf that has such parameters of its own. `ask`: ask servers as well."""
    for scope in scopes(configuration):
        if _NAME not in scope.names:
            continue
        try:
            chosen = backends(configuration.value(_NAME, scope.overrides))
        except ConfigurationError:
            continue  # told elsewhere
        except WrongWord as wrong:
            yield configuration.fault(_NAME, f"{_NAME}: {wrong}", _WRONG, scope.overrides)
            continue
        for backend in chosen:
            for text in (_ASKING if ask else _CHECKS).get(backend.kind, _nothing)(configuration, scope, backend):
                yield configuration.fault(_NAME, f"{_NAME}: {backend.word}: {text}", _WAITS, scope.overrides)


def _nothing(configuration: Configuration, scope: Scope, backend: Backend) -> Iterator[str]:
    yield from ()


def _file(configuration: Configuration, scope: Scope, backend: Backend) -> Iterator[str]:
    try:
        users, mode = user_file.parse(user_file.read(backend.name)), os.stat(backend.name).st_mode
    except OSError as error:
        yield f"{error.strerror}: make it by `gatepost user add`"
        return
    yield from user_file.remarks(backend.name, users, mode)


def _pam(configuration: Configuration, scope: Scope, backend: Backend) -> Iterator[str]:
    service = configuration.value("smtpd_sasl_service", scope.overrides)
    if not any(Path(folder, service).exists() for folder in _PAM_FOLDERS):
        yield f"there is no {_PAM_FOLDERS[0]}/{service}, so that PAM asks the service `other`: whoever has an account may log in"
    if os.geteuid() != 0:
        yield "the mail system is not started by root, and PAM may see no passwords then"


def _ldap(configuration: Configuration, scope: Scope, backend: Backend) -> Iterator[str]:
    said: list[str] = []

    async def opened() -> None:
        tables = Tables(said.append, fold=False, strict=True, access=ServerAccess(lambda: configuration))
        open_directory(Opening("ldap", backend.name, tables, said.append, time.monotonic, fold=False))

    try:
        asyncio.run(opened())
    except Unavailable as failure:
        yield failure.why
    yield from said


def _oauth(configuration: Configuration, scope: Scope, backend: Backend) -> Iterator[str]:
    """Opened as a worker does it."""
    yield from asyncio.run(_tokens(backend.name, ask=False))


def _oauth_asked(configuration: Configuration, scope: Scope, backend: Backend) -> Iterator[str]:
    """And its server is asked as for a token."""
    yield from asyncio.run(_tokens(backend.name, ask=True))


async def _tokens(path: str, *, ask: bool) -> list[str]:
    said: list[str] = []
    try:
        users = open_tokens(path, system_network, said.append)
        if ask:
            await users.probe()
    except Unavailable as failure:
        said.append(failure.why)
    except CannotSay as failure:
        said.append(str(failure))
    return said


def _sql(configuration: Configuration, scope: Scope, backend: Backend) -> Iterator[str]:
    try:
        table_of(backend.name)
    except Unavailable as failure:
        yield failure.why
    except ValueError as wrong:
        yield str(wrong)


_CHECKS: Mapping[str, Callable[[Configuration, Scope, Backend], Iterator[str]]] = {
    "file": _file,
    "ldap": _ldap,
    "oauth": _oauth,
    "pam": _pam,
    "sql": _sql,
}
_ASKING = {**_CHECKS, "oauth": _oauth_asked}
