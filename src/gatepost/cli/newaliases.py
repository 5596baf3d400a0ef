"""`gatepost newaliases`: rebuild the databases that alias_database names, as newaliases(1) does; `sendmail -bi` is the same."""

import getopt
import os
import sys
from collections.abc import Sequence

from gatepost.cli import postalias
from gatepost.cli.location import configuration_directory
from gatepost.config.configuration import ConfigurationError, read
from gatepost.lookup.braces import split_list

# newaliases is sendmail under another name, so it takes (and mostly ignores) what sendmail takes.
_OPTIONS = "A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:im:no:p:q:r:tv"


def main(argv: Sequence[str]) -> int:
    """Exit status: 0; 1 where a database cannot be built; 75 for a wrong option or configuration."""
    try:
        options, _ = getopt.gnu_getopt(list(argv[1:]), _OPTIONS)
    except getopt.GetoptError as error:
        sys.stderr.write(f"newaliases: invalid option -- '{error.opt}'\nnewaliases: fatal: usage: newaliases [options]\n")
        return os.EX_TEMPFAIL
    return rebuild(dict(options).get("-C"))


def rebuild(directory: str | None = None) -> int:
    """Build every database of alias_database; `directory`: the configuration's, as in a `-C` option. Exit status."""
    try:
        configured = read(configuration_directory(directory)).value("alias_database")
    except ConfigurationError as error:
        sys.stderr.write(f"newaliases: fatal: {error}\n")
        return os.EX_TEMPFAIL
    databases = split_list(configured)
    return postalias.main(["postalias", *databases]) if databases else 0
