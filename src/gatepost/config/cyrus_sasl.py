"""The file that Cyrus SASL reads for a program (smtpd.conf): `name: value`, a line each."""

import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

SYSTEM_FOLDERS = ("/etc/postfix/sasl", "/usr/lib/sasl2", "/etc/sasl2")
"""Where Debian's Postfix looks, after the folder `sasl` beside main.cf."""

SASLDB: Final = "/etc/sasldb2"


class CyrusOptions(Struct, frozen=True):
    """What a file says.

    - `file`: where it is; `lines`: of each name, the number of the line that counts;
    - `pwcheck_method`: who knows passwords; `auxprop_plugin`: plug-ins of `auxprop`, empty for all that there are;
    - `mech_list`: mechanisms, in capitals, empty for all;
    - `saslauthd_path`: of its socket, empty for the usual ones; `sasldb_path`: of the file of sasldb.
    """

    file: str
    lines: Mapping[str, int]
    pwcheck_method: tuple[str, ...]
    auxprop_plugin: tuple[str, ...]
    mech_list: tuple[str, ...]
    saslauthd_path: str
    sasldb_path: str


class Unsupported(Exception):
    """What a file asks for, and we do not have. `name`: the option; the text says what it is, `remedy` what to do."""

    def __init__(self, options: CyrusOptions, name: str, value: str, remedy: str) -> None:
        super().__init__(f"{name} {value} is not supported")
        self.file, self.line, self.remedy = options.file, options.lines.get(name, 0), remedy


class Source(enum.Enum):
    """Who knows passwords."""

    SASLAUTHD = "saslauthd"
    SASLDB = "sasldb"


def source(options: CyrusOptions) -> Source:
    """The one that a file names; of several, the first that we have. Raises Unsupported."""
    method = next((method for method in options.pwcheck_method if method in _METHODS), "")
    if not method:
        remedy = "write `pwcheck_method: saslauthd`, or `auxprop`"
        raise Unsupported(options, "pwcheck_method", " ".join(options.pwcheck_method), remedy)
    if method == "saslauthd":
        return Source.SASLAUTHD
    if options.auxprop_plugin and "sasldb" not in options.auxprop_plugin:
        plugins = " ".join(options.auxprop_plugin)
        raise Unsupported(options, "auxprop_plugin", plugins, _REMEDIES.get(plugins, "write `auxprop_plugin: sasldb`"))
    return Source.SASLDB


def folders(config_path: str, config_directory: str) -> tuple[str, ...]:
    """Where to look, in order. `config_path`: cyrus_sasl_config_path, folders with colons between them."""
    return tuple(config_path.split(":")) if config_path else (f"{config_directory}/sasl", *SYSTEM_FOLDERS)


def options(name: str, where: Sequence[str]) -> CyrusOptions | None:
    """Those of a program, None where there is no file of it. Raises OSError, of a file that cannot be read."""
    for folder in where:
        path = Path(folder, f"{name}.conf")
        try:
            return parse(path.read_text("utf-8", "surrogateescape"), str(path))
        except (FileNotFoundError, NotADirectoryError):
            continue
    return None


def parse(text: str, file: str) -> CyrusOptions:
    """The last value of a name counts; lines that begin with `#` say nothing."""
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, value = line.partition(":")
        if colon and not name.startswith("#"):
            name = name.strip().lower()
            values[name], lines[name] = value.strip(), number
    return CyrusOptions(
        file,
        lines,
        tuple(values.get("pwcheck_method", "auxprop").lower().split()),
        tuple(values.get("auxprop_plugin", "").lower().split()),
        tuple(values.get("mech_list", "").upper().split()),
        values.get("saslauthd_path", ""),
        values.get("sasldb_path", SASLDB),
    )


_METHODS: Final = ("saslauthd", "auxprop")
_REMEDIES: Final = {
    "sql": "write `smtpd_auth_backends = sql:PATH` into main.cf",
    "ldapdb": "write `smtpd_auth_backends = ldap:NAME` into main.cf",
}
