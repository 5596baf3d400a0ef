"""`if`, `ifplugin`, `else`, `endif` of rule files (Conf(3pm), PREPROCESSING OPTIONS): which lines count."""

from collections.abc import Set
from typing import Final

from gatepost.filter.rules.expressions import NotUnderstood, parsed
from gatepost.filter.rules.plugins import FEATURES, PLUGINS, loaded_as
from gatepost.filter.rules.ruleset import Node
from gatepost.filter.rules.values import number

VERSION: Final = 4.000001
"""The version of SpamAssassin whose language this is."""
PERL: Final = 5.036
"""The version of Perl whose patterns are understood."""

_CORE: Final = "Mail::SpamAssassin::Conf::"


def holds(condition: str, loaded: Set[str], compatible: Set[str], *, local: bool) -> bool:
    """Whether a condition is true. `loaded`: plugins, `compatible`: words of enable_compat, both as they stand before this line.
    `local`: whether nothing is asked of the network. Raises NotUnderstood."""

    def called(name: str, argument: str) -> Node:
        if name == "plugin":
            return int(loaded_as(argument) in loaded)
        if name in ("can", "has"):
            return int(_known(argument, loaded, compatible))
        raise NotUnderstood(f"{name}() is no function of conditions")

    def value(name: str) -> float:
        values = {"version": VERSION, "perl_version": PERL, "local_tests_only": float(local)}
        if name not in values:
            raise NotUnderstood(f"{name} is no word of conditions")
        return values[name]

    return bool(number(parsed(condition, called), value))


def _known(function: str, loaded: Set[str], compatible: Set[str]) -> bool:
    if function.startswith(_CORE):
        name = function.removeprefix(_CORE)
        return name in FEATURES or (name.startswith("compat_") and name.removeprefix("compat_") in compatible)
    package, _, name = function.rpartition("::")
    plugin = PLUGINS.get(loaded_as(package))
    return plugin is not None and loaded_as(package) in loaded and name in plugin.functions
