"""Libraries that only some tables need: they are installed with an extra of Gatepost's, and missed when a table is opened."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from gatepost.lookup.port import Unavailable

EXTRAS: Mapping[str, str] = {
    "ldap": "ldap",
    "mysql": "mysql",
    "pgsql": "pgsql",
}
"""Table type to the extra of pyproject.toml that it needs."""


MODULES: Mapping[str, Sequence[str]] = {
    "mysql": ("pymysql",),
    "pgsql": ("psycopg",),
}
"""Table type to the modules of its library."""


def preload(kinds: Iterable[str]) -> None:
    """Import the libraries of table types, before the rights to read them are gone. Whoever needs one that is missing, tells."""
    for kind in kinds:
        for module in MODULES.get(kind, ()):
            with suppress(ImportError):
                import_module(module)


def remedy(kind: str) -> str:
    return f"pip install 'gatepost[{EXTRAS[kind]}]'"


def library(module: str, spec: str) -> Any:
    """A module that table `spec` needs. Raises Unavailable, with the remedy, where it cannot be imported."""
    try:
        return import_module(module)
    except ImportError as error:
        raise not_installed(spec, f"{module}: {error}") from None


def not_installed(spec: str, what: str, also: str = "") -> Unavailable:
    """The failure of a table whose library is missing. `also`: what else has to be installed."""
    kind = spec.partition(":")[0]
    return Unavailable(spec, f"tables of type {kind} are not installed ({what}); remedy: {remedy(kind)}{also}")
