"""`memcache:/file`, `memcache:prefix`: values in memcached, before a slower table that has all of them (memcache_table(5)).

Without a backup table, memcached is the table itself. With one, it only saves asking that: what memcached does not know, or cannot
say, the backup says, and what it said is kept in memcached for `ttl` seconds.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from msgspec import Struct

from gatepost.lookup.key_format import KeyFormat, divided
from gatepost.lookup.opening import Opening
from gatepost.lookup.port import LookupFailure, Table, Unavailable
from gatepost.lookup.server_parameters import TableParameters, format_of, read_parameters
from gatepost.lookup.server_table import Domains, ServerTable, domains_of
from gatepost.lookup.stream_source import StreamSource, server_of
from gatepost.net.stream_port import AnswerLimit, Retry, StreamFailure
from gatepost.proto.exchange import Exchange
from gatepost.proto.memcache import MemcacheDelete, MemcacheGet, MemcacheSet, Sizes, is_key
from gatepost.proto.table_answer import TableAnswer

_AROUND = 16
"""Octets of an answer that are neither its value nor a line with the key: ends of lines, `END`."""


class Keeping(Struct, frozen=True):
    """How values are kept. `sizes`: limits of an answer; `ttl`: seconds."""

    sizes: Sizes
    flags: int
    ttl: int


class Memcache:
    """The source of a table. `backup`: None for no such table."""

    def __init__(self, server: StreamSource, key_format: KeyFormat, keeping: Keeping, backup: Table | None) -> None:
        self._server, self._key_format, self._keeping, self._backup = server, key_format, keeping, backup

    async def find(self, key: str, owner: str) -> str | None:
        """Raises StreamFailure, LookupFailure."""
        kept = self._kept(key)
        if self._backup is None:
            return None if kept is None else await self._get(kept, owner)
        if kept is not None:
            with suppress(StreamFailure, LookupFailure):  # the backup knows
                found = await self._get(kept, owner)
                if found is not None:
                    return found
        found = await self._backup.lookup(key)
        if kept is not None and found is not None:
            with suppress(StreamFailure, LookupFailure):
                value = found.encode("utf-8", "surrogateescape")
                await self._server.ask(lambda: self._set(kept, value), owner)
        return found

    async def delete(self, key: str) -> bool:
        """Forget a key in memcached; whether it was there. Raises StreamFailure, LookupFailure."""
        kept = self._kept(key)
        return kept is not None and bool(await self._server.ask(lambda: MemcacheDelete(kept, self._keeping.sizes), ""))

    async def probe(self) -> Mapping[str, str]:
        return await self._server.probe()

    def close(self) -> None:
        """The backup belongs to the registry that opened it."""
        self._server.close()

    async def _get(self, kept: bytes, owner: str) -> str | None:
        answer = await self._server.ask(lambda: MemcacheGet(kept, self._keeping.sizes), owner)
        return None if answer is None else answer.decode("utf-8", "surrogateescape")

    def _set(self, kept: bytes, value: bytes) -> Exchange[TableAnswer]:
        return MemcacheSet(kept, value, self._keeping.sizes, flags=self._keeping.flags, ttl=self._keeping.ttl)

    def _kept(self, key: str) -> bytes | None:
        """The key in memcached; None where it can have no such key."""
        address = divided(key)
        text = self._key_format.expand(address, address)
        kept = text.encode() if text is not None else b""
        return kept if is_key(kept) else None


class MemcacheTable(ServerTable):
    """What postmap(1) does with it beside asking. `backup`: None for no such table."""

    __slots__ = ("_memcache", "_warn", "backup")

    def __init__(self, opening: Opening, memcache: Memcache, domains: Domains | None, backup: Table | None) -> None:
        super().__init__(opening, memcache, domains)
        self._memcache, self._warn, self.backup = memcache, opening.warn, backup

    async def delete(self, key: str) -> bool:
        """Forget a key in memcached; whether it was there. Raises LookupFailure."""
        try:
            return await self._memcache.delete(key)
        except StreamFailure as failure:
            raise LookupFailure(self.name, failure.words) from None

    def items(self) -> Iterable[tuple[str, str]]:
        """All entries of the backup: memcached does not tell its own. Raises LookupFailure."""
        if self.backup is None:
            self._warn(f"database {self.name}: first/next support requires backup database")
            return []
        items: Callable[[], Iterable[tuple[str, str]]] | None = getattr(self.backup, "items", None)
        if items is None:
            raise LookupFailure(self.name, f"table {self.backup.name}: sequence operation is not supported")
        return items()


def open_table(opening: Opening) -> MemcacheTable:
    """Raises Unavailable for a mistake in the parameters, or a backup that cannot be opened."""
    parameters = read_parameters(opening)
    access = opening.tables.access
    try:
        server = server_of(parameters.text("memcache") or "inet:localhost:11211", access)
    except ValueError as problem:
        raise parameters.wrong("memcache", f"{problem}: write inet:HOST:PORT or unix:PATH") from None
    keeping = Keeping(
        Sizes(line=parameters.number("line_size_limit", 1024, 1), data=parameters.number("data_size_limit", 10240, 1)),
        parameters.number("flags", 0),
        parameters.number("ttl", 3600),
    )
    rules = access.rules(
        parameters.number("timeout", 2, 1),
        answer=AnswerLimit(keeping.sizes.line + keeping.sizes.data + _AROUND),
        retry=Retry(parameters.number("max_try", 2, 1), parameters.number("retry_pause", 1, 1), unreached=False),
    )
    key_format = format_of(parameters, "key_format", "%s")
    source = StreamSource(opening, server, rules, lambda key: MemcacheGet(key.encode(), keeping.sizes))
    backup = _backup(opening, parameters)
    return MemcacheTable(opening, Memcache(source, key_format, keeping, backup), domains_of(parameters, opening), backup)


def _backup(opening: Opening, parameters: TableParameters) -> Table | None:
    spec = parameters.text("backup")
    if not spec:
        return None
    try:
        return opening.tables.open(spec)
    except Unavailable as failure:
        raise parameters.wrong("backup", failure.why) from None
