"""MySQL's own option files (option_file, option_group of mysql_table(5)), as far as they say how a server is reached."""

from collections.abc import Mapping
from typing import Final

from gatepost.lookup.server_parameters import TableParameters
from gatepost.lookup.table_text import read_file

_KNOWN: Final = frozenset((
    "user", "password", "host", "port", "database", "socket", "default-character-set",
    "ssl-ca", "ssl-capath", "ssl-cert", "ssl-key", "ssl-cipher",
))  # fmt: skip


def option_file(parameters: TableParameters) -> Mapping[str, str]:
    """What the file says in the group [client], and then in option_group. Empty without a file. Raises Unavailable."""
    path = parameters.text("option_file")
    if not path:
        return {}
    groups = dict.fromkeys(("client", parameters.text("option_group") or "client"))
    read = _groups(read_file(path, parameters.spec))
    return {name: value for group in groups for name, value in read.get(group, {}).items() if name in _KNOWN}


def _groups(text: str) -> Mapping[str, dict[str, str]]:
    groups: dict[str, dict[str, str]] = {}
    group = groups.setdefault("", {})
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = groups.setdefault(line[1:-1].strip(), {})
        elif line and line[0] not in "#;!":
            name, _, value = line.partition("=")
            group[name.strip().replace("_", "-")] = _unquoted(value.strip())
    return groups


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
