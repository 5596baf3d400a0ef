"""ClamAV's own files, as far as they concern us: clamd.conf(5) and freshclam.conf(5), and how old the signatures are."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

_UNITS: Final = {"k": 1024, "m": 1024 * 1024, "": 1}
_SIZE: Final = re.compile(r"(\d{1,15})([kKmM]?)")
_TRUE: Final = frozenset(("yes", "true", "1"))
_HEADER: Final = 512
_HEADER_FIELDS: Final = 8
"""Of the header of a signed database (cvd): name, date, version, signatures, level, MD5, signature, builder, and seconds since 1970
in newer ones."""
_SIGNED: Final = (".cvd", ".cld", ".cud")
_UNSIGNED: Final = (".hdb", ".hsb", ".ndb", ".ldb", ".mdb", ".yar", ".yara", ".db", ".cdb")

STREAM_MAX_LENGTH: Final = 100 * 1024 * 1024
"""Of clamd 1.x, where its file says nothing; older ones have 25 MB."""


def parse(text: str) -> Mapping[str, str]:
    """The options of a file by their names in lower case: the first of several, without comments."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        if name and not name.startswith("#"):
            found.setdefault(name.lower(), value.strip().strip('"'))
    return found


def octets(text: str) -> int | None:
    """A size such as `25M`; None where it is none. 0 is as much as there is."""
    size = _SIZE.fullmatch(text)
    return int(size[1]) * _UNITS[size[2].lower()] if size else None


def is_set(options: Mapping[str, str], name: str) -> bool:
    """Whether a switch is on."""
    return options.get(name.lower(), "").lower() in _TRUE


def newest(folder: Path) -> float | None:
    """When the newest database of a DatabaseDirectory was made, seconds since 1970: signed ones say it themselves, of others the
    file's time is taken; None where there is none. Raises OSError."""
    files = [path for path in folder.iterdir() if path.suffix in (*_SIGNED, *_UNSIGNED)]
    signed = [_built(path) for path in files if path.suffix in _SIGNED]
    return _latest(signed) or _latest(path.stat().st_mtime for path in files)


def _latest(times: Iterable[float]) -> float | None:
    return max(times, default=None)


def _built(path: Path) -> float:
    with open(path, "rb") as file:
        fields = file.read(_HEADER).split(b":")
    if len(fields) > _HEADER_FIELDS and (stamp := fields[_HEADER_FIELDS].strip()).isdigit():
        return float(stamp)
    return path.stat().st_mtime
