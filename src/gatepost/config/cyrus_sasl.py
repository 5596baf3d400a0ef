"""The file that Cyrus SASL reads for a program (smtpd.conf): `name: value`, a line each."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

SYSTEM_FOLDERS = ("/etc/postfix/sasl", "/usr/lib/sasl2", "/etc/sasl2")
"""Where Debian's Postfix looks, after the folder `sasl` beside main.cf."""


class CyrusOptions(Struct, frozen=True):
    """`file`: that they stand in; `pwcheck_method`: who knows passwords; `mech_list`: mechanisms, in capitals, empty for all;
    `saslauthd_path`: of its socket, empty for the usual ones."""

    file: str
    pwcheck_method: tuple[str, ...]
    mech_list: tuple[str, ...]
    saslauthd_path: str


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
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and not name.startswith("#"):
            values[name.strip().lower()] = value.strip()
    return CyrusOptions(
        file,
        tuple(values.get("pwcheck_method", "auxprop").lower().split()),
        tuple(values.get("mech_list", "").upper().split()),
        values.get("saslauthd_path", ""),
    )
