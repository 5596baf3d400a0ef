"""What a table type is given to open a table."""

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from msgspec import Struct

from gatepost.lookup.accounts import Accounts
from gatepost.lookup.port import Table, Unavailable
from gatepost.lookup.server_access import ServerAccess

Warn = Callable[[str], None]


class Parts(Protocol):
    """Where a table finds what it is composed of (registry.py, `Tables`)."""

    @property
    def proxied(self) -> Collection[str] | None:
        """The tables that `proxy:` may name (proxy_read_maps); None: all."""

    @property
    def accounts(self) -> Accounts:
        """The system's users and groups."""

    @property
    def access(self) -> ServerAccess:
        """What tables that ask servers need: main.cf and the network."""

    @property
    def overrides(self) -> Mapping[str, str]:
        """Parameters of main.cf that the service sets otherwise (`-o`), those of tables among them."""

    def open(self, spec: str) -> Table:
        """The table `type:name`. Raises Unavailable."""
        ...

    def stand_in(self, failure: Unavailable) -> Table:
        """What takes the place of something else that cannot be read: it fails every lookup."""
        ...


class Opening(Struct, frozen=True):
    """One `type:name` to open.

    `fold`: lookup keys are folded to lower case, for types whose keys are fixed strings (not patterns). `duplicates`: a repeated
    key in a text file is a warning, not a mistake (as in postmap). `substitution`: the result of a pattern may have parts of the
    key in it. `warn` takes a line of text without `warning:`.
    `tables` opens the parts of a composed table. `clock` gives seconds.
    """

    type: str
    name: str
    tables: Parts
    warn: Warn
    clock: Callable[[], float]
    fold: bool = True
    duplicates: bool = False
    substitution: bool = True

    @property
    def spec(self) -> str:
        return f"{self.type}:{self.name}"
