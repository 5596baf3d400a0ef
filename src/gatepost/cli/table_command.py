"""What postmap(1) and postalias(1) have in common: options, and building, querying and changing lookup tables."""

import fcntl
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from msgspec import Struct

from gatepost.cli import command as common
from gatepost.cli.command import Fatal
from gatepost.cli.location import configuration_directory
from gatepost.cli.progress import Progress
from gatepost.lookup import indexed
from gatepost.lookup.braces import split_list
from gatepost.lookup.memory import fold
from gatepost.lookup.opening import Warn
from gatepost.lookup.port import LookupFailure, Table, Unavailable
from gatepost.lookup.proxy import NotApproved
from gatepost.lookup.registry import Tables
from gatepost.lookup.server_access import ServerAccess
from gatepost.lookup.sorted_runs import Entry, SortedRuns
from gatepost.lookup.source_blocks import blocks, plain_entries
from gatepost.lookup.table_text import opened
from gatepost.mail.ascii_text import elements

if TYPE_CHECKING:
    from gatepost.config.configuration import Configuration

Parse = Callable[[str, str, Warn, int], Iterable[tuple[int, str, str]]]
_SOME = 10_000
"""Entries that are taken over at once."""


class Syntax(Struct, frozen=True):
    """What tells the two apart.

    `program`, `usage`: name, and what is said of its use;
    `options`: letters in getopt's form;
    `parse`: how a source is read;
    `separator`: what stands between key and value in a listing;
    `plain`: whether an ordinary line of a source has them as they are, with blanks between.
    """

    program: str
    usage: str
    options: str
    parse: Parse
    separator: str
    plain: bool = False


class TableCommand:
    """One call of the command: its options, and where they lead."""

    def __init__(self, syntax: Syntax, options: Sequence[tuple[str, str]]) -> None:
        self.syntax = syntax
        self.flags = {letter for letter, _ in options}
        self.directory = dict(options).get("-c")
        self.voice = common.Command(syntax.program, directory=self.directory)
        self.query = dict(options).get("-q")
        self.delete = dict(options).get("-d")

    def run(self, specs: Sequence[str]) -> int:
        """Do what the options ask for with the tables `specs`; exit status. Raises Fatal, LookupFailure, OSError."""
        if sum((self.query is not None, self.delete is not None, "-s" in self.flags)) > 1:
            raise Fatal("specify only one of -s -q or -d", logged=False)
        self._check_message_mode()
        if not specs:
            raise Fatal(self.syntax.usage)
        if self.query is not None:
            return self._query([self._spec(spec) for spec in specs], self.query)
        if self.delete is not None:
            keys = list(_input_lines()) if self.delete == "-" else [self.delete]
            return self._delete([self._spec(spec) for spec in specs], *keys)
        if "-s" in self.flags:
            spec = self._spec(specs[0])
            return self._list(self._tables([spec]).open(spec))
        for spec in specs:
            self._build(self._spec(spec))
        return 0

    def warn(self, text: str) -> None:
        self.voice.warn(_printable(text))

    def _check_message_mode(self) -> None:
        if self.flags & {"-b", "-h"} and self.query != "-":
            raise Fatal('specify -b -h or -m only with "-q -"', logged=False)
        if "-m" in self.flags and not self.flags & {"-b", "-h"}:
            self.warn("ignoring -m option without -b or -h")

    def _spec(self, argument: str) -> str:
        return argument if ":" in argument else f"{self._parameter('default_database_type')}:{argument}"

    def _parameter(self, name: str) -> str:
        """A parameter's value; the configuration is read only where one is needed."""
        return self._configuration().value(name)

    def _configuration(self) -> "Configuration":
        from gatepost.config.configuration import ConfigurationError
        from gatepost.config.loading import read

        try:
            return read(configuration_directory(self.directory))
        except ConfigurationError as error:
            raise Fatal(str(error)) from None

    def _tables(self, specs: Sequence[str]) -> Tables:
        proxied = split_list(self._parameter("proxy_read_maps")) if any(s.startswith("proxy:") for s in specs) else None
        access = ServerAccess(self._configuration)
        return Tables(self.warn, strict=True, fold="-f" not in self.flags, duplicates=True, proxied=proxied, access=access)

    # Asking

    def _query(self, specs: Sequence[str], key: str) -> int:
        import asyncio

        tables = self._tables(specs)
        opened: Iterable[Table] = (tables.open(spec) for spec in specs)
        if key != "-":
            value = asyncio.run(self._first(opened, key))
            if value is not None:
                _write(f"{self._decoded(value)}\n")
            return 0 if value is not None else 1
        return 0 if asyncio.run(self._answer(list(opened))) else 1

    async def _answer(self, tables: Sequence[Table]) -> bool:
        found = False
        for key in self._keys():
            value = await self._first(tables, key)
            if value is not None:
                found = True
                _write(f"{key}{self.syntax.separator}{self._decoded(value)}\n")
        return found

    async def _first(self, tables: Iterable[Table], key: str) -> str | None:
        for table in tables:
            if not key and not table.whole_key:
                continue  # but a pattern may match nothing at all
            try:
                value = await table.lookup(key)
            except Unavailable:
                raise
            except LookupFailure as failure:
                raise Fatal(f"table {failure.table}: query error: {failure.why}") from None
            if value is not None:
                if not value:
                    self.warn(f"table {table.name}: key {key}: empty string result is not allowed")
                    self.warn(f"table {table.name} should return NO RESULT in case of NOT FOUND")
                return value
        return None

    def _keys(self) -> Iterator[str]:
        lines = _input_lines()
        if not self.flags & {"-b", "-h"}:
            return lines
        from gatepost.cli.message_keys import message_keys

        return message_keys(lines, headers="-h" in self.flags, body="-b" in self.flags, mime="-m" in self.flags)

    def _list(self, table: Table) -> int:
        items: Callable[[], Iterable[tuple[str, str]]] | None = getattr(table, "items", None)
        if items is None:
            raise Fatal(f"table {table.name}: sequence operation is not supported")
        for key, value in items():
            _write(f"{key}{self.syntax.separator}{self._decoded(value)}\n")
        return 0

    def _decoded(self, value: str) -> str:
        if "-F" not in self.flags:
            return value
        import binascii

        try:
            return binascii.a2b_base64(value).decode("utf-8", "surrogateescape")
        except ValueError as error:
            raise Fatal(f"malformed base64 value: {error}") from None

    # Changing

    def _delete(self, specs: Sequence[str], *keys: str) -> int:
        kept = {k if "-f" in self.flags else fold(k) for k in keys}
        deleted = False
        for spec in specs:
            kind, _, path = spec.partition(":")
            if kind == "memcache":
                deleted |= self._forget(spec, kept)
                continue
            if kind not in indexed.POSTFIX_SUFFIX:
                raise Fatal(f"{spec} map requires O_RDONLY access mode")
            with self._as_owner(path), _locked(path):
                deleted |= self._drop(kind, path, {indexed.octets(key) for key in kept})
        return 0 if deleted else 1

    def _forget(self, spec: str, keys: Iterable[str]) -> bool:
        """Delete keys in memcached; in its backup too where that is a table that can be changed."""
        import asyncio

        from gatepost.lookup.memcache import MemcacheTable

        async def forget() -> tuple[bool, str]:
            table = self._tables([spec]).open(spec)
            assert isinstance(table, MemcacheTable)
            deleted = [await table.delete(key) for key in keys]
            return any(deleted), table.backup.name if table.backup is not None else ""

        deleted, backup = asyncio.run(forget())
        if backup.partition(":")[0] in indexed.POSTFIX_SUFFIX:
            deleted |= self._delete([backup], *keys) == 0
        return deleted

    def _build(self, spec: str) -> None:
        kind, _, path = spec.partition(":")
        incremental = "-i" in self.flags
        if not incremental and not os.path.exists(path):
            raise Fatal(f"open {path}: No such file or directory")
        if kind not in indexed.POSTFIX_SUFFIX:
            raise Fatal(f"unsupported dictionary type: {kind} does not support bulk-mode creation.")
        with self._as_owner(path), _locked(path):
            target = path + indexed.SUFFIX
            runs = self._runs(path, target)
            if incremental and os.path.exists(target):
                self._keep(runs, self._existing(kind, path))
            with nullcontext(sys.stdin.buffer) if incremental else opened(path, spec) as file:
                self._add(runs, file, "stdin" if incremental else path)
            indexed.write(path, runs, runs.octets, self._mode(path))

    def _drop(self, kind: str, path: str, keys: Collection[bytes]) -> bool:
        """Whether any of `keys` was in the table, which is written anew without them."""
        found = 0

        def others() -> Iterator[Entry]:
            nonlocal found
            for entry in self._existing(kind, path):
                if entry[0] in keys:
                    found += 1
                else:
                    yield entry

        runs = self._runs(path, "")
        self._keep(runs, others())
        if found:
            indexed.write(path, runs, runs.octets, self._mode(path))
        return found > 0

    def _runs(self, path: str, built: str) -> SortedRuns:
        """Entries to be. The first of equal keys holds, or with -r the last."""

        def repeated(key: bytes) -> None:
            if "-w" not in self.flags:
                self.warn(f'{built}: duplicate entry: "{key.decode("utf-8", "surrogateescape")}"')

        return SortedRuns(os.path.dirname(path) or ".", last="-r" in self.flags, repeated=repeated)

    def _keep(self, runs: SortedRuns, entries: Iterable[Entry]) -> None:
        rest = iter(entries)
        while some := list(islice(rest, _SOME)):
            runs.add(some)

    def _add(self, runs: SortedRuns, file: BinaryIO, name: str) -> None:
        """The entries of a source."""
        progress = Progress(self.syntax.program, file)
        plain = self.syntax.plain and "-F" not in self.flags
        for number, block in blocks(file):
            found = plain_entries(block) if plain else None
            if found is None:
                for entry in self._entries(name, block, number):
                    runs.add_one(entry)
            else:
                runs.add(found if "-f" in self.flags else [(key.lower(), value) for key, value in found])
            progress.show()
        progress.end()

    def _entries(self, name: str, block: bytes, start: int) -> Iterator[Entry]:
        """The entries of a block, looked at line by line. `start`: the number of its first line."""
        for number, key, value in self.syntax.parse(name, block.decode("utf-8", "surrogateescape"), self.warn, start):
            kept = indexed.octets(key if "-f" in self.flags else fold(key))
            if len(kept) > indexed.LONGEST_KEY:
                self.warn(f"{name}, line {number}: key is longer than {indexed.LONGEST_KEY} octets: skipping this entry")
                continue
            if "-F" in self.flags:
                try:
                    value = _contents(value)
                except OSError as error:
                    self.warn(f"{name}, line {number}: open {error.filename}: {error.strerror}: skipping this entry")
                    continue
            yield kept, indexed.octets(value)

    def _existing(self, kind: str, path: str) -> Iterator[Entry]:
        """What is in the table."""
        table = Tables(self.warn, strict=True).open(f"{kind}:{path}")
        assert isinstance(table, indexed.IndexedTable)
        try:
            yield from ((indexed.octets(key), indexed.octets(value)) for key, value in table.items())
        finally:
            table.close()

    def _mode(self, path: str) -> int:
        """Permissions of the built file: those of group and others as the source has them, to read (postmap(1), -p)."""
        if "-p" in self.flags or not os.path.exists(path):
            return 0o644
        return 0o600 | (os.stat(path).st_mode & 0o044)

    @contextmanager
    def _as_owner(self, path: str) -> Iterator[None]:
        """Root writes as the owner of the source, unless -o: nobody else's directory can lead it astray."""
        owner = os.stat(path) if os.path.exists(path) else None
        if os.geteuid() != 0 or owner is None or owner.st_uid == 0 or "-o" in self.flags:
            yield
            return
        groups = os.getgroups()
        os.setgroups([])
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(os.getgid())
            os.setgroups(groups)


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """One writer at a time: an advisory lock on the source, or on the built file where there is no source."""
    for name in (path, path + indexed.SUFFIX):
        if os.path.exists(name):
            with open(name, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
            return
    yield


def _contents(names: str) -> str:
    """The files that `names` lists, one after the other with a newline between, in base64 (postmap -F). Raises OSError."""
    import base64

    parts = []
    for name in elements(names):
        with open(name, "rb") as file:
            parts.append(file.read())
    return base64.b64encode(b"\n".join(parts)).decode("ascii")


def _input_lines() -> Iterator[str]:
    for line in sys.stdin:
        yield line.removesuffix("\n")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or 0xDC80 <= ord(c) <= 0xDCFF else "?" for c in text)


def _write(text: str) -> None:
    sys.stdout.write(text)


def _octets_pass() -> None:
    """Standard streams carry any octets, whatever the locale says."""
    streams: tuple[Any, ...] = (sys.stdin, sys.stdout, sys.stderr)
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")


def main(syntax: Syntax, argv: Sequence[str]) -> int:
    """Run the command; exit status 0, or 1 for an error or where nothing was found."""
    import getopt

    _octets_pass()
    try:
        options, specs = getopt.gnu_getopt([_as_text(argument) for argument in argv[1:]], syntax.options)
    except getopt.GetoptError as error:
        what = "option requires an argument" if "requires" in error.msg else "invalid option"
        sys.stderr.write(f"{syntax.program}: {what} -- '{error.opt}'\n{syntax.program}: fatal: {syntax.usage}\n")
        return 1
    command = TableCommand(syntax, options)
    logged = True
    try:
        return command.run(specs)
    except Fatal as error:
        why, logged = str(error), error.logged
    except NotApproved as refusal:
        for text in refusal.remarks:  # proxymap(8) would say so, whose part we have
            common.Command("proxymap", directory=command.directory).log(text, "warning")
        why = refusal.why
    except LookupFailure as failure:
        why = failure.why
    except OSError as error:
        why = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    command.voice.say(_printable(why), "fatal", logged=logged)
    return 1


def _as_text(argument: str) -> str:
    """An argument as UTF-8, whatever the locale made of it."""
    return os.fsencode(argument).decode("utf-8", "surrogateescape")
