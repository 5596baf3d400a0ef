"""Where the configuration is: `-c DIR`, else `MAIL_CONFIG`, else /etc/gatepost if it exists, else /etc/postfix."""

import os
from pathlib import Path


def configuration_directory(option: str | None = None) -> Path:
    """The configuration directory; `option` is the value of a `-c` option."""
    named = option or os.environ.get("MAIL_CONFIG")
    if named:
        return Path(named).absolute()
    own = Path("/etc/gatepost")
    return own if own.is_dir() else Path("/etc/postfix")
