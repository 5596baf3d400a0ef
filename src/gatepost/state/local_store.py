"""Keys and values in the memory of one process: for tests, and for what need not last."""

import bisect
import heapq
from collections.abc import AsyncIterator, Callable

from gatepost.state.port import ABSENT, NEVER, Entry, Space, StateUnavailable, check

_Name = tuple[str, bytes]
_FORGOTTEN_AT_ONCE = 8  # expired entries that one change takes away, so that memory follows what is alive, and no change waits long


class LocalStateStore:
    """A StateStore (state.port). `clock`: seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[_Name, Entry] = {}
        self._names: list[_Name] = []
        """The names of the entries, in order."""
        self._expiring: list[tuple[float, int, _Name]] = []
        self._revision = ABSENT
        self._closed = False

    async def get(self, space: Space, key: bytes) -> Entry | None:
        self._refuse_if_closed()
        return self._living((space.name, key))

    async def put(self, space: Space, key: bytes, value: bytes, expires: float = NEVER) -> int:
        expires = check(value, expires)
        self._refuse_if_closed()
        self._forget()
        name = (space.name, key)
        self._revision += 1
        if name not in self._entries:
            bisect.insort(self._names, name)
        self._entries[name] = Entry(value, self._revision, expires)
        if expires != NEVER:
            heapq.heappush(self._expiring, (expires, self._revision, name))
        return self._revision

    async def compare_and_set(self, space: Space, key: bytes, value: bytes, revision: int, expires: float = NEVER) -> int | None:
        expires = check(value, expires)
        self._refuse_if_closed()
        if self._revision_of((space.name, key)) != revision:
            return None
        return await self.put(space, key, value, expires)

    async def delete(self, space: Space, key: bytes, revision: int | None = None) -> bool:
        self._refuse_if_closed()
        name = (space.name, key)
        now = self._revision_of(name)
        if now == ABSENT or revision not in (None, now):
            return False
        self._remove(name)
        return True

    async def iterate(self, space: Space, prefix: bytes = b"") -> AsyncIterator[tuple[bytes, Entry]]:
        self._refuse_if_closed()
        place = (space.name, prefix)
        at = bisect.bisect_left(self._names, place)
        while at < len(self._names):
            name = self._names[at]
            if name[0] != space.name or not name[1].startswith(prefix):
                return
            if (entry := self._living(name)) is not None:
                yield name[1], entry
            at = bisect.bisect_right(self._names, name)

    async def close(self) -> None:
        self._closed = True

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StateUnavailable("closed")

    def __len__(self) -> int:
        return len(self._entries)

    def _living(self, name: _Name) -> Entry | None:
        entry = self._entries.get(name)
        return entry if entry is not None and entry.expires > self._clock() else None

    def _revision_of(self, name: _Name) -> int:
        entry = self._living(name)
        return ABSENT if entry is None else entry.revision

    def _remove(self, name: _Name) -> None:
        del self._entries[name]
        del self._names[bisect.bisect_left(self._names, name)]

    def _forget(self) -> None:
        now = self._clock()
        for _ in range(_FORGOTTEN_AT_ONCE):
            if not self._expiring or self._expiring[0][0] > now:
                return
            _, revision, name = heapq.heappop(self._expiring)
            entry = self._entries.get(name)
            if entry is not None and entry.revision == revision:
                self._remove(name)
