"""`gatepost postmap`: build and query lookup tables, as postmap(1) does."""

from collections.abc import Sequence

from gatepost.cli import table_command
from gatepost.lookup.table_text import entries

_SYNTAX = table_command.Syntax(
    program="postmap",
    usage="usage: postmap [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...",
    options="NUFbc:d:fhimnopq:rsuvw",
    parse=entries,
    separator="\t",
    plain=True,
)


def main(argv: Sequence[str]) -> int:
    """Exit status: 0, or 1 for an error or where nothing was found."""
    return table_command.main(_SYNTAX, argv)
