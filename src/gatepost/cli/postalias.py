"""`gatepost postalias`: build and query alias databases, as postalias(1) does."""

from collections.abc import Sequence

from gatepost.cli import table_command
from gatepost.lookup.aliases_text import alias_entries

_SYNTAX = table_command.Syntax(
    program="postalias",
    usage="usage: postalias [-Nfinoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file...",
    options="Nc:d:finopq:rsuvw",
    parse=alias_entries,
    separator=":\t",
)


def main(argv: Sequence[str]) -> int:
    """Exit status: 0, or 1 for an error or where nothing was found."""
    return table_command.main(_SYNTAX, argv)
