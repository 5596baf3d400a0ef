"""The servers that tables are asked of in the contract suite (test_server_tables.py): a row a table type.

A new type is a class with these four methods, and a line in SERVERS.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.integration.slapd import BASE, Slapd, person

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


SERVERS: Mapping[str, Callable[[], TableServer]] = {
    "ldap": Ldap,
}
