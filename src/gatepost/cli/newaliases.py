"""What newaliases(1) and `sendmail -bi` do: rebuild the databases that alias_database names."""

import os
import sys

from gatepost.cli import postalias
from gatepost.cli.location import configuration_directory
from gatepost.config.configuration import ConfigurationError
from gatepost.config.loading import read
from gatepost.lookup.braces import split_list


def rebuild(directory: str | None = None, instead: str = "") -> int:
    """Build every database of alias_database, or the one that is named `instead`. `directory`: the configuration's, as in a `-C`
    option. Exit status: 0; 1 where a database cannot be built; 75 for a configuration that cannot be read."""
    command = ["postalias", *(("-c", directory) if directory else ())]
    if instead:
        return postalias.main([*command, instead])
    try:
        configured = read(configuration_directory(directory)).value("alias_database")
    except ConfigurationError as error:
        sys.stderr.write(f"newaliases: fatal: {error}\n")
        return os.EX_TEMPFAIL
    databases = split_list(configured)
    return postalias.main([*command, *databases]) if databases else 0
