"""`hash:`, `btree:`, `lmdb:` and their kin: tables that postmap(1) or postalias(1) has built from a text file.

Whatever the type is called, the built file is one LMDB database beside its source, `/path.lmdb`: written whole to another
name and renamed, so that it never changes while it is read. Where none was built yet, the text itself is read.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from weakref import WeakValueDictionary

from gatepost.lookup import root_files
from gatepost.lookup.aliases_text import alias_entries, looks_like_aliases
from gatepost.lookup.memory import fold
from gatepost.lookup.opening import Opening, Warn
from gatepost.lookup.port import LookupFailure, Table, Unavailable
from gatepost.lookup.root_files import Identity, identity_of
from gatepost.lookup.sorted_runs import Entry
from gatepost.lookup.table_text import entries, read_file

SUFFIX = ".lmdb"
LONGEST_KEY = 511
"""Octets; LMDB's limit. A longer key is in no table."""
# The file that Postfix would have built: what a message names when there is neither that nor ours.
POSTFIX_SUFFIX = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb", "dbm": ".pag", "sdbm": ".pag"}
# Seconds between two looks at whether the file was rebuilt.
_FRESH = 1.0


def _stamp(path: str) -> Identity | None:
    """Which file it is that is read."""
    try:
        return root_files.identity(path) or identity_of(os.stat(path))
    except OSError:
        return None


def read_source(path: str, spec: str, warn: Warn, *, folded: bool = True) -> dict[str, str]:
    """The entries of a text file, as postmap or postalias would store them, whichever it looks to be for. Raises Unavailable."""
    text = read_file(path, spec, "open database")
    parsed = alias_entries(path, text, warn) if looks_like_aliases(text) else entries(path, text, warn)
    table: dict[str, str] = {}
    for number, key, value in parsed:
        kept = fold(key) if folded else key
        if kept in table:
            warn(f'{path}, line {number}: duplicate entry: "{kept}"')
        table.setdefault(kept, value)
    return table


def _descriptor(path: str) -> int:
    """Of a file to read. Raises OSError."""
    if (taken := root_files.contents(path)) is None:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    descriptor = os.memfd_create("table", os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(taken)
    return descriptor


class _Built:
    """A built file, open. One read transaction serves all lookups, as the file never changes. Closes when nobody holds it."""

    def __init__(self, path: str, name: str) -> None:
        """`path`: to open; `name`: of the file, for texts."""
        import lmdb

        self._path = name
        self._environment = lmdb.open(path, subdir=False, readonly=True, lock=False, create=False, max_readers=1)
        pages = self._environment.info()["last_pgno"] + 1
        if os.stat(path).st_size < pages * self._environment.stat()["psize"]:
            # To read what is missing of a mapped file would end this process (SIGBUS).
            raise lmdb.CorruptedError("file cut short")
        self._transaction = self._environment.begin()
        self._broken = lmdb.Error

    @classmethod
    def shared(cls, path: str) -> "tuple[_Built, Identity]":
        """The file at `path`, and which one that was; the same object for whoever asks. Raises OSError, lmdb.Error."""
        descriptor = _descriptor(path)
        try:
            stamp = root_files.identity(path) or identity_of(os.fstat(descriptor))
            built = _OPEN.get(stamp)
            if built is None:
                # By descriptor, so that it is the very file that was looked at, whatever was renamed since.
                built = _OPEN[stamp] = cls(f"/proc/self/fd/{descriptor}", path)
            return built, stamp
        finally:
            os.close(descriptor)

    def get(self, key: str) -> str | None:
        stored = octets(key)
        if not stored or len(stored) > LONGEST_KEY:
            return None
        try:
            value: bytes | None = self._transaction.get(stored)
        except self._broken as error:
            raise LookupFailure(self._path, f"damaged: {error}") from None
        return None if value is None else value.decode("utf-8", "surrogateescape")

    def items(self) -> Iterator[tuple[str, str]]:
        for key, value in self._transaction.cursor():
            yield key.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")


# LMDB must not open a file twice in one process, so tables of several types or configurations share it.
_OPEN: WeakValueDictionary[Identity, _Built] = WeakValueDictionary()


class _Source:
    """The text, read: what answers until the table is built."""

    def __init__(self, table: Mapping[str, str]) -> None:
        self._table = table
        self.get: Callable[[str], str | None] = table.get

    def items(self) -> Iterator[tuple[str, str]]:
        return iter(self._table.items())


class IndexedTable:
    """Answers from the built file, or from its text; notices within a second that either was replaced."""

    def __init__(self, opening: Opening) -> None:
        """Raises Unavailable where there is nothing to read."""
        self.name = opening.spec
        self.whole_key = False
        self._opening = opening
        self._stamp: Identity | None = None
        self._looked = opening.clock()
        self._told = False
        self._answers: _Built | _Source = self._open()

    async def lookup(self, key: str) -> str | None:
        now = self._opening.clock()
        if now - self._looked >= _FRESH:
            self._looked = now
            self._refresh()
        return self._answers.get(fold(key) if self._opening.fold else key)

    def items(self) -> Iterator[tuple[str, str]]:
        """All entries, for `postmap -s`."""
        return self._answers.items()

    def close(self) -> None:
        self._answers = _Source({})

    def _refresh(self) -> None:
        path = self._opening.name
        if (_stamp(path + SUFFIX) or _stamp(path)) == self._stamp:
            return
        try:
            self._answers = self._open()
        except Unavailable as failure:
            self._opening.warn(f"{self.name}: {failure.why}: answering from what was read before")

    def _open(self) -> "_Built | _Source":
        path = self._opening.name
        built = path + SUFFIX
        if os.path.exists(built) or root_files.contents(built) is not None:
            return self._open_built(built)
        self._stamp = _stamp(path)
        berkeley = path + POSTFIX_SUFFIX[self._opening.type]
        remedy = f"run gatepost postmap {self.name}, or postalias where it is an alias file"
        if self._stamp is None and root_files.contents(path) is None:
            if os.path.exists(berkeley):
                raise Unavailable(self.name, f"open database {built}: {berkeley} is not in a format that can be read; {remedy}")
            raise Unavailable(self.name, f"open database {berkeley}: No such file or directory")
        table = read_source(path, self.name, self._opening.warn, folded=self._opening.fold)
        if not self._told:
            self._told = True
            self._opening.warn(f"{self.name}: no {built}: reading {path} itself; {remedy}")
        return _Source(table)

    def _open_built(self, built: str) -> _Built:
        import lmdb

        try:
            answers, self._stamp = _Built.shared(built)
        except OSError as error:
            raise Unavailable(self.name, f"open database {built}: {error.strerror}") from None
        except lmdb.Error as error:
            raise Unavailable(self.name, f"open database {built}: {error}") from None
        source = _stamp(self._opening.name)
        if source is not None and source[2] > self._stamp[2] and not self._told:
            self._told = True
            self._opening.warn(f"database {built} is older than source file {self._opening.name}")
        return answers


def open_table(opening: Opening) -> Table:
    """Raises Unavailable where there is neither a built file nor its text."""
    return IndexedTable(opening)


def build(path: str, table: Mapping[str, str], mode: int) -> None:
    """Write `table` as the built file of `path`. Raises as `write`."""
    entries = sorted((octets(key), octets(value)) for key, value in table.items())
    write(path, [entries], sum(len(key) + len(value) + 64 for key, value in entries), mode)


def write(path: str, pieces: Iterable[Sequence[Entry]], size: int, mode: int) -> None:
    """Write the built file of `path` in one step, with permissions `mode`. `pieces`: its entries in the order of their keys, `size`
    octets in all at most. Raises LookupFailure, OSError."""
    import lmdb

    target = path + SUFFIX
    scratch = f"{target}.{os.getpid()}"
    try:
        os.close(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        # Room for pages that are half full, and values that take pages of their own.
        with lmdb.open(scratch, subdir=False, lock=False, sync=False, map_size=(1 << 20) + 4 * size) as environment:
            for piece in pieces:
                with environment.begin(write=True) as transaction:
                    transaction.cursor().putmulti(piece, append=True)
            environment.sync(True)
        os.chmod(scratch, mode)
        os.rename(scratch, target)
    except lmdb.Error as error:
        raise LookupFailure(target, str(error)) from None
    finally:
        if os.path.exists(scratch):
            os.unlink(scratch)


def octets(text: str) -> bytes:
    """A key or a value as it is stored."""
    return text.encode("utf-8", "surrogateescape")
