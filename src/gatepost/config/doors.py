"""Doors: what a configuration asks for, is not there yet, and keeps something out. Without it mail would pass unseen.

Start and reload refuse a configuration that asks for one of them, unless `gatepost_accept_missing` names it. Everything else that
is not there yet is a convenience, or fails closed by itself, and the log only warns of it (usage.py).
"""

from collections.abc import Iterator, Mapping

from gatepost.config.configuration import Configuration
from gatepost.config.faults import Fault
from gatepost.config.usage import scopes
from gatepost.mail.ascii_text import SPACE

PARAMETERS: Mapping[str, str] = {
    "filter_before_queue": "mail would pass without being scanned",
}
"""Parameters that open a door when they are set and not obeyed, and what would pass."""


def open_doors(configuration: Configuration) -> Iterator[tuple[str, Fault]]:
    """(name, what would pass) of every door that main.cf and master.cf ask for. Raises ConfigurationError."""
    for scope in scopes(configuration):
        for name, _, line in scope.settings:
            if name in PARAMETERS and configuration.value(name, scope.overrides).strip(SPACE) not in _NOTHING:
                yield name, Fault(scope.file, line, f"parameter {name} is not implemented yet: {PARAMETERS[name]}", "remove it")


_NOTHING = frozenset({"", "no"})
