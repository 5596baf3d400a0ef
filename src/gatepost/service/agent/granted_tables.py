"""What the tables of the configuration hold, as far as the agent can tell by itself: the values of alias_maps,
mailbox_command_maps, virtual_uid_maps and virtual_gid_maps, from files that it reads, and only when they have changed.

The databases that postmap and postalias build are opened where they are root's, and nobody else can exchange them: their library
maps a file into memory and believes it. Of others the text is read. Tables that are no files here have no values (None): not known.
"""

import os
import re
import threading
import time
from collections.abc import Callable, Iterator

from msgspec import Struct

from gatepost.config.values import split
from gatepost.deliver.local_names import user_with_id
from gatepost.deliver.privileged import Done
from gatepost.deliver.safe_path import first_not_of_root
from gatepost.lookup import braces, indexed, inline
from gatepost.lookup.aliases_text import alias_entries, looks_like_aliases
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Tables
from gatepost.lookup.table_text import entries, logical_lines
from gatepost.service.agent.files import read_file
from gatepost.service.agent.rights import as_user

Rows = list[tuple[str, str]]
"""Keys and values; the key of a value that a pattern leads to is empty."""

_COMPOSED = frozenset(("pipemap", "unionmap", "randmap"))
_PATTERNS = frozenset(("pcre", "regexp", "cidr"))
_LONGEST = 1 << 24  # octets of a file whose rows are looked at
_GAP = re.compile(r"\s+", re.ASCII)
_GAPS = 40  # places of a rule at which its result may begin


def leaves(maps: str) -> Iterator[str]:
    """The tables `type:name` of a parameter, those that others are composed of among them."""
    for spec in split(maps):
        kind, _, name = spec.partition(":")
        if kind == "proxy":
            yield from leaves(name)
        elif kind in _COMPOSED and name.startswith("{"):
            parts = braces.split_list(name[1:].rpartition("}")[0])
            yield from (leaf for part in parts for leaf in leaves(part))
        else:
            yield spec


class TableFiles:
    """Reads tables, and remembers them for as long as their files stay the same."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, Table | None]] = {}
        self._values: dict[str, tuple[list[Rows], frozenset[str]]] = {}
        self._lock = threading.Lock()

    def table(self, spec: str) -> "Table | None":
        """What a table `type:name` holds; None where that cannot be known."""
        kind, _, name = spec.partition(":")
        stamp = tuple(_stamp(name + suffix) for suffix in ("", indexed.SUFFIX)) if name.startswith("/") else ()
        with self._lock:
            known = self._known.get(spec)
            if known is None or known[0] != stamp:
                known = self._known[spec] = (stamp, _read(kind, name))
            return known[1]

    def values(self, maps: str) -> frozenset[str] | None:
        """All values of a parameter's tables; None where some of them cannot be known."""
        tables = []
        for spec in leaves(maps):
            table = self.table(spec)
            if table is None:
                return None
            tables.append(table.rows)
        known = self._values.get(maps)
        if known is None or any(a is not b for a, b in zip(known[0], tables, strict=True)):
            known = self._values[maps] = (tables, frozenset(value for rows in tables for _, value in rows))
        return known[1]


class Table(Struct, frozen=True):
    """The rows of a table, and the uid of whose file it is (0: main.cf itself)."""

    rows: Rows
    owner: int = 0


def _stamp(path: str) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_uid


def _read(kind: str, path: str) -> Table | None:
    built = path + indexed.SUFFIX
    try:
        if kind == "static":
            return Table([("", braces.unbrace(path) if path.startswith("{") else path)])
        if kind == "inline":
            return Table(inline.parse(path))
        if not path.startswith("/"):
            return None
        if kind in indexed.POSTFIX_SUFFIX and os.path.exists(built):
            if os.stat(built).st_size > _LONGEST:
                return None
            if first_not_of_root(built) is None and os.stat(built, follow_symlinks=False).st_uid == 0:
                return Table(list(indexed.IndexedTable(Opening(kind, path, Tables(_ignore), _ignore, time.monotonic)).items()))
        text = _text(path)
        return Table(_rows_of_text(kind, path, text.data.decode("utf-8", "surrogateescape")), text.owner)
    except (OSError, ValueError, LookupFailure):
        return None


def _text(path: str) -> Done:
    """The text of a table, read as its owner. Raises OSError."""
    owner = user_with_id(os.stat(path).st_uid)
    with as_user(owner.uid, owner.gid) if owner and os.getuid() == 0 else as_user(os.getuid(), os.getgid()):
        return read_file(path)


def _rows_of_text(kind: str, path: str, text: str) -> Rows:
    if kind in _PATTERNS:
        return [("", value) for _, line in logical_lines(text) for value in _results(line)]
    parsed: Callable[..., Iterator[tuple[int, str, str]]] = alias_entries if looks_like_aliases(text) else entries
    return [(key.lower(), value) for _, key, value in parsed(path, text, _ignore)]


def _results(line: str) -> list[str]:
    """What may be the result of a rule: all that stands after white space, for the pattern may hold some."""
    return [line[gap.end() :] for gap, _ in zip(_GAP.finditer(line), range(_GAPS), strict=False)]


def _ignore(text: str) -> None:
    """What is wrong with a table is said by those who look things up in it."""
