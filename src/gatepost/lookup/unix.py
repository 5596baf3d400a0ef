"""`unix:passwd.byname` and `unix:group.byname`: the system's users and groups (DATABASE_README)."""

import grp
import pwd
from collections.abc import Callable

from gatepost.lookup.opening import Opening
from gatepost.lookup.port import LookupFailure, Unavailable


def _passwd(name: str) -> str:
    return ":".join(map(str, pwd.getpwnam(name)))


def _group(name: str) -> str:
    group = grp.getgrnam(name)
    return f"{group.gr_name}:{group.gr_passwd}:{group.gr_gid}:{','.join(group.gr_mem)}"


_DATABASES: dict[str, Callable[[str], str]] = {"passwd.byname": _passwd, "group.byname": _group}


class UnixTable:
    """Answers with the entry in the form of passwd(5) or group(5)."""

    __slots__ = ("_entry", "_folded", "name", "whole_key")

    def __init__(self, name: str, entry: Callable[[str], str], *, folded: bool) -> None:
        self.name = name
        self.whole_key = False
        self._entry = entry
        self._folded = folded

    async def lookup(self, key: str) -> str | None:
        try:
            return self._entry(key.lower() if self._folded else key)
        except (KeyError, ValueError):
            return None
        except OSError as error:
            raise LookupFailure(self.name, str(error.strerror)) from None

    def close(self) -> None:
        pass


def open_table(opening: Opening) -> UnixTable:
    """Raises Unavailable for any other database."""
    if opening.name not in _DATABASES:
        raise Unavailable(opening.spec, f"unknown table: {opening.spec}")
    return UnixTable(opening.spec, _DATABASES[opening.name], folded=opening.fold)
